//! Published versions of form templates, ready to be evaluated. They never change, so that each process keeps those
//! that it has used last; whoever sees a form sees its version.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use moka::sync::Cache;
use serde_json::Value;
use server_shared::value::LanguageTag;

use super::{error::FormError, repository};
use crate::{
    database::{DatabaseError, Tx},
    domain::{
        form_definition::{Compiled, FormDefinition},
        form_template::Content,
        rules::InvalidValue,
    },
    ids::{FormTemplateId, OrganizationId},
};

/// Largest number of versions that are kept.
const CAPACITY: u64 = 1000;
/// Size of the contents as they are stored, in bytes, above which fewer are kept: ready to be evaluated, they take
/// several times that.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Published version of a form template.
#[derive(Debug)]
pub(super) struct TemplateVersion {
    /// Everything that its forms ask and show.
    pub(super) content: Content,
    /// Definition, ready to be evaluated.
    pub(super) compiled: Compiled,
    /// SHA-256 of the content, as 64 hexadecimal digits.
    pub(super) hash: String,
    /// Size of the content as it is stored, in bytes.
    size: usize,
}

impl TemplateVersion {
    /// Makes a stored content ready to be evaluated.
    fn build(stored: Value, hash: &[u8]) -> Result<Arc<Self>, DatabaseError> {
        let size = stored.to_string().len();
        let content = Content::of_version(stored)?;
        let compiled = content.compile()?;
        Ok(Arc::new(Self { content, compiled, hash: hex::encode(hash), size }))
    }

    /// Returns the definition for a reader of `language`, with the definitions of the custom fields.
    pub(super) fn definition(&self, language: &LanguageTag) -> FormDefinition {
        self.content.definition.localized(language, &self.content.library())
    }
}

/// Version of a template that new forms ask.
#[derive(Debug, Clone)]
pub(super) struct LatestVersion {
    /// Number of the version, from 1.
    pub(super) number: i32,
    /// Name of the template.
    pub(super) name: String,
    pub(super) version: Arc<TemplateVersion>,
}

/// Place of a version.
type VersionKey = (OrganizationId, FormTemplateId, i32);

/// Versions by template and number.
pub(super) type NamedVersions = HashMap<(FormTemplateId, i32), Arc<TemplateVersion>>;

/// Versions that were used last.
pub(super) struct Versions(Cache<VersionKey, Arc<TemplateVersion>>);

impl Versions {
    /// Creates an empty cache.
    pub(super) fn new() -> Self {
        // Each version weighs at least as much as its part of the capacity, so that both bounds hold.
        let least = LARGEST / CAPACITY;
        let weigh = move |_: &VersionKey, version: &Arc<TemplateVersion>| {
            let size = u64::try_from(version.size).unwrap_or(u64::MAX).max(least);
            u32::try_from(size).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(LARGEST).weigher(weigh).build())
    }

    /// Returns a version of a template, which a form that the caller sees names.
    pub(super) async fn get(
        &self,
        tx: &mut impl Tx,
        organization: OrganizationId,
        template: FormTemplateId,
        number: i32,
    ) -> Result<Arc<TemplateVersion>, DatabaseError> {
        let key = (organization, template, number);
        if let Some(version) = self.0.get(&key) {
            return Ok(version);
        }
        let stored = repository::template_content(tx, template, number).await?;
        let (stored, hash) = stored.ok_or_else(|| {
            DatabaseError::Damaged(format!("form template {template} has no version {number}, which a form names"))
        })?;
        let version = TemplateVersion::build(stored, &hash)?;
        self.0.insert(key, Arc::clone(&version));
        Ok(version)
    }

    /// Returns several versions of templates, by template and number; those that are not kept take one statement.
    /// Leaves out those that do not exist.
    pub(super) async fn all(
        &self,
        tx: &mut impl Tx,
        organization: OrganizationId,
        wanted: impl IntoIterator<Item = (FormTemplateId, i32)> + Send,
    ) -> Result<NamedVersions, DatabaseError> {
        let (mut found, mut missing) = (NamedVersions::new(), BTreeSet::new());
        for (template, number) in wanted {
            if let Some(version) = self.0.get(&(organization, template, number)) {
                found.insert((template, number), version);
            } else {
                missing.insert((template, number));
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let missing: Vec<_> = missing.into_iter().collect();
        for row in repository::template_contents(tx, &missing).await? {
            let version = TemplateVersion::build(row.content, &row.hash)?;
            self.0.insert((organization, row.template, row.version), Arc::clone(&version));
            found.insert((row.template, row.version), version);
        }
        Ok(found)
    }

    /// Returns the version of a template that new forms ask.
    pub(super) async fn latest(
        &self,
        tx: &mut impl Tx,
        organization: OrganizationId,
        template: FormTemplateId,
    ) -> Result<LatestVersion, FormError> {
        let Some(latest) = repository::template_latest(tx, template).await? else {
            let message = "is no form template of this organization";
            return Err(InvalidValue::new("/form_template_id", "unknown_reference", message).into());
        };
        if latest.archived {
            return Err(FormError::TemplateArchived);
        }
        let number = latest.version.ok_or(FormError::TemplateNotPublished)?;
        let version = self.get(tx, organization, template, number).await?;
        Ok(LatestVersion { number, name: latest.name, version })
    }
}
