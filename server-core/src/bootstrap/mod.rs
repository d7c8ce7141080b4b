//! `server-core bootstrap`: creates the first superadmin and the first clinic of an installation.
//!
//! Everything else is created by people with the permission for it; this command creates the one person who has every
//! permission. People are identified by their id at the identity provider and need not have signed in yet: Clerk's
//! `user.created` fills the same row with name and e-mail address, whichever comes first.
//!
//! The command is one transaction that includes its audit entries. Running it again changes nothing.

mod repository;

use std::io::{self, Write as _};

use chrono_tz::Tz;
use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use server_shared::{slug::SLUG_MAX, value::Name};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};
use thiserror::Error;
use uuid::Uuid;

use crate::{
    audit::Audit,
    identity::{Actor, Origin},
    ids::{Entity, OrganizationId, UserId},
};

/// Exit code if there is a superadmin already.
pub(crate) const REFUSED: u8 = 3;

/// Text below the help that lists the exit codes.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  everything exists: created now, or before
  1  the run failed; nothing was changed, run it again
  2  an argument or the configuration is wrong; nothing was changed
  3  there is a superadmin already, and --force was not given; nothing was changed";

/// Longest name of a clinic, in characters.
const NAME_MAX: usize = 200;
/// Longest id of a user at Clerk, in bytes.
const CLERK_ID_MAX: usize = 100;

/// Arguments of `bootstrap`: the first superadmin, the first clinic and its administrators.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Id of the first superadmin at Clerk (user_…, shown in its dashboard)
    #[arg(long, value_name = "CLERK_ID", value_parser = clerk_id)]
    superadmin: String,
    /// Slug of the first clinic, used in links; can't be changed later
    #[arg(long, value_name = "SLUG", value_parser = slug)]
    organization: String,
    /// Name of the clinic; defaults to its slug. A clinic that exists already keeps its name
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// Time zone of the clinic, from the IANA database
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = timezone)]
    timezone: String,
    /// Id at Clerk of an administrator of the clinic; may be given more than once, and may be the superadmin
    #[arg(long, value_name = "CLERK_ID", value_parser = clerk_id)]
    admin: Vec<String>,
    /// Proceed although there is a superadmin already
    #[arg(long)]
    force: bool,
}

/// Failure of the command.
#[derive(Debug, Error)]
pub(crate) enum BootstrapError {
    /// PostgreSQL returned an error or did not answer.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// A superadmin exists already.
    #[error(
        "there is a superadmin already, so this installation is not new. Ask that person; or use --force, if nobody \
         can be asked"
    )]
    SuperadminExists,
    /// The account was deleted; deleted accounts stay closed.
    #[error("the account of {0} was deleted, and a deleted account can't be used again: name another user")]
    Deleted(String),
    /// The role does not own the tables, so row-level security would hide rows.
    #[error("DATABASE_URL is not the role that owns the tables")]
    NotOwner,
    /// The output can't be written; the changes are committed already.
    #[error("the output can't be written: {0}")]
    Output(#[from] io::Error),
}

/// User, for the audit log.
struct User(UserId);

impl Entity for User {
    const TYPE: &'static str = "user";

    fn entity_id(&self) -> String {
        self.0.to_string()
    }
}

/// Membership of a user in the organization of the audit row.
struct Membership(UserId);

impl Entity for Membership {
    const TYPE: &'static str = "membership";

    fn entity_id(&self) -> String {
        self.0.to_string()
    }
}

/// Clinic, for the audit log.
struct Organization(OrganizationId);

impl Entity for Organization {
    const TYPE: &'static str = "organization";

    fn entity_id(&self) -> String {
        self.0.to_string()
    }
}

/// Changes made, for the audit log and for the operator's terminal.
#[derive(Default)]
struct Done {
    audits: Vec<Audit>,
    said: Vec<String>,
}

impl Done {
    fn note(&mut self, audit: Audit, said: String) {
        self.audits.push(audit);
        self.said.push(said);
    }
}

/// Creates whatever is missing.
pub(crate) async fn run(url: &SecretString, plan: &Plan) -> Result<(), BootstrapError> {
    let options: PgConnectOptions = url.expose_secret().parse()?;
    let options = options.application_name("server-core bootstrap").disable_statement_logging();
    let mut connection = options.connect().await?;
    let said = make(&mut connection, plan).await?;
    connection.close().await?;
    let said = if said.is_empty() { vec!["nothing to do: everything exists already".to_owned()] } else { said };
    writeln!(io::stdout(), "{}", said.join("\n"))?;
    Ok(())
}

async fn make(connection: &mut PgConnection, plan: &Plan) -> Result<Vec<String>, BootstrapError> {
    if !repository::owns_tables(connection).await? {
        return Err(BootstrapError::NotOwner);
    }
    let mut tx = connection.begin().await?;
    // Concurrent runs would both find no superadmin.
    repository::turn_take(&mut tx).await?;
    let is_new = !repository::superadmin_exists(&mut tx).await?;
    let mut done = Done::default();

    let name = plan.name.as_deref().unwrap_or(&plan.organization);
    let organization = match repository::organization_create(&mut tx, &plan.organization, name, &plan.timezone).await? {
        Some(created) => {
            done.note(
                Audit::created(&Organization(created)).in_organization(created),
                format!("organization {created} ({}) created", plan.organization),
            );
            created
        }
        None => repository::organization_find(&mut tx, &plan.organization).await?,
    };
    let superadmin = user(&mut tx, &plan.superadmin, &mut done).await?;
    if repository::superadmin_grant(&mut tx, superadmin, organization).await? {
        let audit = Audit::action("superadmin_granted", &User(superadmin));
        done.note(audit, format!("user {superadmin} ({}) is a superadmin", plan.superadmin));
    }
    for clerk_id in &plan.admin {
        let admin = user(&mut tx, clerk_id, &mut done).await?;
        if repository::admin_put(&mut tx, organization, admin).await? {
            let granted = Audit::action("admin_granted", &Membership(admin)).in_organization(organization);
            done.note(granted, format!("user {admin} ({clerk_id}) administers {}", plan.organization));
        }
    }
    if done.audits.is_empty() {
        return Ok(done.said);
    }
    if !is_new && !plan.force {
        return Err(BootstrapError::SuperadminExists);
    }
    let origin = Origin::own(Actor::System, "bootstrap", Uuid::now_v7());
    let statements: String = done.audits.iter().map(|audit| audit.statement(&origin)).collect();
    repository::audit_append(&mut tx, statements).await?;
    tx.commit().await?;
    Ok(done.said)
}

async fn user(tx: &mut PgConnection, clerk_id: &str, done: &mut Done) -> Result<UserId, BootstrapError> {
    if let Some(made) = repository::user_create(tx, clerk_id).await? {
        done.note(Audit::created(&User(made)), format!("user {made} ({clerk_id}) created"));
        return Ok(made);
    }
    let found = repository::user_lock(tx, clerk_id).await?;
    found.ok_or_else(|| BootstrapError::Deleted(clerk_id.to_owned()))
}

fn clerk_id(text: &str) -> Result<String, &'static str> {
    let rest = text.strip_prefix("user_").filter(|rest| !rest.is_empty() && text.len() <= CLERK_ID_MAX);
    match rest {
        Some(rest) if rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => Ok(text.to_owned()),
        _ => Err("should be the id of a user as Clerk shows it: user_ and letters and digits"),
    }
}

fn slug(text: &str) -> Result<String, &'static str> {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if text.len() <= SLUG_MAX && text.split('-').all(word) {
        return Ok(text.to_owned());
    }
    Err("should be lower-case letters and digits in words joined by single hyphens, at most 60 characters")
}

fn name(text: &str) -> Result<String, &'static str> {
    Name::<NAME_MAX>::parse(text).map(Name::into_inner).ok_or("should be text of 1 to 200 characters")
}

fn timezone(text: &str) -> Result<String, &'static str> {
    text.parse::<Tz>().map(|zone| zone.name().to_owned()).map_err(|_| "should be a zone such as Europe/Berlin")
}
