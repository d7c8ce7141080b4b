//! Organizations, users and memberships, written by SQL as the owner of the database.

use anyhow::{Context as _, Result};
use sqlx::{Connection as _, PgConnection};

use super::data::{self, CLINICS};

/// A user.
pub(super) struct Account {
    pub(super) clerk_id: String,
    pub(super) user_id: i64,
}

/// The people of a clinic who have a login.
pub(super) struct ClinicAccounts {
    pub(super) organization_id: i64,
    pub(super) admin: Account,
    pub(super) specialist: Account,
    pub(super) staff: Account,
    pub(super) patient: Account,
}

/// Everybody who has a login.
pub(super) struct Accounts {
    pub(super) superadmin: Account,
    /// In the order of [`CLINICS`].
    pub(super) clinics: Vec<ClinicAccounts>,
}

/// Writes what is missing; all or nothing.
pub(super) async fn write(url: &str) -> Result<Accounts> {
    let mut connection = PgConnection::connect(url).await.context("cannot connect to the database as its owner")?;
    let mut tx = connection.begin().await?;
    let (clerk_id, name) = data::SUPERADMIN;
    let superadmin = user(&mut tx, clerk_id, name, None).await?;
    let mut clinics = Vec::new();
    for clinic in &CLINICS {
        let organization_id = organization(&mut tx, clinic).await?;
        let patient = &clinic.patients[0];
        clinics.push(ClinicAccounts {
            organization_id,
            admin: member(&mut tx, organization_id, clinic, "admin", clinic.admin).await?,
            specialist: member(&mut tx, organization_id, clinic, "specialist", clinic.specialists[0].name).await?,
            staff: member(&mut tx, organization_id, clinic, "staff", clinic.staff).await?,
            patient: {
                let name = format!("{} {}", patient.first_name, patient.last_name);
                member(&mut tx, organization_id, clinic, "patient", &name).await?
            },
        });
    }
    tx.commit().await?;
    connection.close().await?;
    Ok(Accounts { superadmin, clinics })
}

async fn organization(connection: &mut PgConnection, clinic: &data::Clinic) -> Result<i64> {
    sqlx::query("insert into organizations (slug, name, timezone) values ($1, $2, $3) on conflict (slug) do nothing")
        .bind(clinic.slug)
        .bind(clinic.name)
        .bind(clinic.timezone)
        .execute(&mut *connection)
        .await?;
    let found = sqlx::query_scalar("select id from organizations where slug = $1").bind(clinic.slug);
    Ok(found.fetch_one(connection).await?)
}

async fn member(
    connection: &mut PgConnection,
    organization_id: i64,
    clinic: &data::Clinic,
    role: &str,
    name: &str,
) -> Result<Account> {
    let clerk_id = format!("{}_{role}", clinic.clerk_prefix);
    let account = user(connection, &clerk_id, name, Some(organization_id)).await?;
    let sql = "insert into memberships (organization_id, user_id, role) values ($1, $2, $3) on conflict do nothing";
    sqlx::query(sql).bind(organization_id).bind(account.user_id).bind(role).execute(connection).await?;
    Ok(account)
}

/// A user who works in `organization_id`; the one who works in none runs the platform.
async fn user(
    connection: &mut PgConnection,
    clerk_id: &str,
    name: &str,
    organization_id: Option<i64>,
) -> Result<Account> {
    let sql = "insert into users (clerk_id, name, superadmin, current_organization_id) values ($1, $2, $3, $4) \
               on conflict (clerk_id) do nothing";
    sqlx::query(sql)
        .bind(clerk_id)
        .bind(name)
        .bind(organization_id.is_none())
        .bind(organization_id)
        .execute(&mut *connection)
        .await?;
    let found = sqlx::query_scalar("select id from users where clerk_id = $1").bind(clerk_id);
    Ok(Account { clerk_id: clerk_id.to_owned(), user_id: found.fetch_one(connection).await? })
}
