//! The demo clinics: `xtask-demo seed` writes them, and their people get tokens here.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::keys::Keys;
use super::tokens::{self, Person};
use super::{paths, wait};

/// The roles of a clinic, in the order they are shown.
pub(crate) const ROLES: [&str; 4] = ["admin", "specialist", "staff", "patient"];

/// Output of `xtask-demo seed`.
#[derive(Debug, Deserialize)]
pub(crate) struct Seed {
    superadmin: Person,
    organizations: Vec<SeedOrganization>,
}

#[derive(Debug, Deserialize)]
struct SeedOrganization {
    id: i64,
    slug: String,
    people: BTreeMap<String, Person>,
}

/// A clinic of `stack.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Organization {
    pub(crate) id: i64,
    pub(crate) slug: String,
    /// Session tokens for Core, by role.
    pub(crate) tokens: BTreeMap<String, String>,
    /// Tokens for Telemetry, by role.
    pub(crate) telemetry_tokens: BTreeMap<String, String>,
    /// People that the tokens are issued for.
    pub(crate) people: BTreeMap<String, Person>,
}

/// The platform's operator in `stack.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Superadmin {
    pub(crate) telemetry_token: String,
    #[serde(flatten)]
    pub(crate) person: Person,
}

/// Seeds the stack described by the file `stack`. Running it again changes nothing.
pub(crate) fn run(stack: &Path, log: &Path) -> Result<Seed> {
    let mut child = Command::new(paths::binary("xtask-demo")?)
        .arg("seed")
        .arg("--stack")
        .arg(stack)
        .current_dir(paths::checkout())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("cannot run xtask-demo")?;
    let output = child.stdout.take().context("stdout is not piped")?;
    let reader = std::thread::spawn(move || std::io::read_to_string(output));
    let limit = std::time::Duration::from_mins(3);
    let waited = wait::until(limit, || "`xtask-demo seed` takes more than 180 s".into(), || Ok(child.try_wait()?));
    if waited.is_err() {
        child.kill()?;
        child.wait()?;
    }
    let status = waited?;
    let Ok(text) = reader.join() else { bail!("cannot read the output of xtask-demo") };
    let text = text?;
    std::fs::write(log, &text)?;
    if !status.success() {
        bail!("`xtask-demo seed --stack {}` failed ({status}): see above", stack.display());
    }
    serde_json::from_str(&text).with_context(|| format!("`xtask-demo seed` printed something else than JSON: {text}"))
}

impl Seed {
    /// Makes the tokens of everybody.
    pub(crate) fn tokens(self, keys: &Keys, issuer: &str) -> Result<Tokens> {
        let session = |person: &Person| tokens::session(&keys.issuer_pem, &keys.issuer_kid, issuer, &person.clerk_id);
        let telemetry = |person: &Person, organization: Option<i64>, role: &str| {
            tokens::telemetry(&keys.telemetry_pem, &keys.telemetry_kid, person, organization, role)
        };
        let superadmin = session(&self.superadmin)?;
        let superadmin_person =
            Superadmin { telemetry_token: telemetry(&self.superadmin, None, "superadmin")?, person: self.superadmin };
        let mut organizations = Vec::new();
        for SeedOrganization { id, slug, people } in self.organizations {
            if let Some(missing) = ROLES.iter().find(|role| !people.contains_key(**role)) {
                bail!("`xtask-demo seed` names no {missing} of {slug}");
            }
            let mut organization = Organization {
                id,
                slug,
                tokens: BTreeMap::new(),
                telemetry_tokens: BTreeMap::new(),
                people: BTreeMap::new(),
            };
            for (role, person) in people {
                organization.tokens.insert(role.clone(), session(&person)?);
                organization.telemetry_tokens.insert(role.clone(), telemetry(&person, Some(id), &role)?);
                organization.people.insert(role, person);
            }
            organizations.push(organization);
        }
        Ok(Tokens { superadmin, superadmin_person, organizations })
    }
}

/// Everybody of the demo clinics, with tokens.
pub(crate) struct Tokens {
    pub(crate) superadmin: String,
    pub(crate) superadmin_person: Superadmin,
    pub(crate) organizations: Vec<Organization>,
}
