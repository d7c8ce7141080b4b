//! Databases of measurements that must not meet the rows of others: each has two clinics.

use anyhow::{Context, Result};

use crate::setup::Setup;
use crate::{check, psql};

/// Creates a database with two clinics, each with a person at the front desk; returns the setup with it.
pub(crate) async fn create(setup: &Setup, name: &str) -> Result<Setup> {
    let create = format!(
        "create database {name} template restartix owner restartix;
         grant connect on database {name} to restartix_app;"
    );
    psql::run(setup, &setup.superuser_url, &[], &create).await?;
    let setup = setup.of_database(name)?;
    check::clinics(&setup, &setup.superuser_url, 2).await?;
    Ok(setup)
}

/// Drops a database, so that nothing is left to vacuum while something else is measured.
pub(crate) async fn discard(setup: &Setup, name: &str) -> Result<()> {
    psql::run(setup, &setup.superuser_url, &[], &format!("drop database {name} with (force);")).await?;
    Ok(())
}

/// Runs a script that fills the database, as the superuser; returns what it printed.
pub(crate) async fn seed(setup: &Setup, variables: &[(&str, u32)], script: &str) -> Result<String> {
    psql::run(setup, &setup.superuser_url, variables, script).await.context("cannot seed")
}

/// Makes the people of both clinics administrators.
pub(crate) async fn administer(setup: &Setup) -> Result<()> {
    seed(setup, &[], include_str!("../sql/admins.sql")).await?;
    Ok(())
}

/// Copies the only patient, whom the service has created, until there are so many.
pub(crate) async fn patients_copy(setup: &Setup, patients: u32) -> Result<()> {
    seed(setup, &[("patients", patients)], include_str!("../sql/scale-names.sql")).await?;
    Ok(())
}
