//! `cargo xtask token`: prints a fresh token for a person of the running development stack.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::stack::seed::ROLES;
use crate::stack::stack_file::StackFile;
use crate::stack::tokens;

/// Person and service of the token.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// superadmin, admin, specialist, staff or patient
    #[arg(long)]
    role: String,
    /// The clinic, by slug or id [default: the first].
    #[arg(long)]
    organization: Option<String>,
    /// A token for Telemetry instead of Core.
    #[arg(long)]
    telemetry: bool,
}

/// Prints the token.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let path = crate::dev::state().join("stack.json");
    let file = StackFile::read(&path).context("no stack of this checkout is ready: `cargo xtask dev` starts one")?;
    println!("{}", token(&file, arguments)?);
    Ok(())
}

fn token(file: &StackFile, arguments: &Arguments) -> Result<String> {
    let role = arguments.role.as_str();
    let wanted = arguments.organization.as_deref();
    let organization = match wanted {
        Some(name) => {
            let found = file.organizations.iter().find(|o| o.slug == name || o.id.to_string() == name);
            let slugs: Vec<&str> = file.organizations.iter().map(|o| o.slug.as_str()).collect();
            Some(found.with_context(|| format!("no clinic {name}: there are {}", slugs.join(", ")))?)
        }
        None => file.organizations.first(),
    };
    let person = if role == "superadmin" {
        file.superadmin_person.as_ref().map(|superadmin| &superadmin.person)
    } else if ROLES.contains(&role) {
        organization.and_then(|organization| organization.people.get(role))
    } else {
        bail!("no role {role}: say superadmin, {}", ROLES.join(", "));
    };
    let person = person.with_context(|| format!("the stack has no {role}"))?;
    if arguments.telemetry {
        let key = fs::read_to_string(&file.telemetry_key_pem_path)?;
        // A superadmin belongs to no clinic, but may look at the one that was named.
        let organization = organization.filter(|_| role != "superadmin" || wanted.is_some()).map(|o| o.id);
        tokens::telemetry(&key, &file.telemetry_kid, person, organization, role)
    } else {
        let key = fs::read_to_string(&file.issuer_key_pem_path)?;
        tokens::session(&key, &file.issuer_kid, &file.issuer_url, &person.clerk_id)
    }
}
