use serde_json::Value;

use super::{
    error::OrganizationSettingsError,
    event::OrganizationSettingsEvent,
    model::{Document, OrganizationSettings, SettingsOf, UpdateOrganizationSettings},
    repository::{self, SettingsRow},
};
use crate::{
    database::{Database, DatabaseError},
    domain::rules::StaleVersion,
    identity::Person,
    ids::OrganizationId,
};

/// Service for the settings of organizations.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
}

impl Service {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    pub(super) async fn get(
        &self,
        caller: &Person,
        organization: OrganizationId,
    ) -> Result<OrganizationSettings, OrganizationSettingsError> {
        let mut reader = self.database.read(caller).open().await?;
        let row: Option<SettingsRow> = reader.get(organization).await?;
        Ok(shown(&row.ok_or(OrganizationSettingsError::NotFound)?)?)
    }

    pub(super) async fn update(
        &self,
        caller: &Person,
        organization: OrganizationId,
        input: &UpdateOrganizationSettings,
    ) -> Result<OrganizationSettings, OrganizationSettingsError> {
        let mut tx = self.database.write(caller).await?;
        let row: Option<SettingsRow> = tx.lock(organization).await?;
        let row = row.ok_or(OrganizationSettingsError::NotFound)?;
        StaleVersion::check(input.version, row.version)?;
        let (before, after) = (read(&row)?, input.document());
        let mut document = row.document;
        let new = serde_json::to_value(after).map_err(|error| DatabaseError::Damaged(error.to_string()))?;
        merge(&mut document, new);
        let settings = shown(&repository::settings_update(&mut tx, organization, &document).await?)?;
        let changed = before.record_access.changed(&after.record_access);
        tx.commit(OrganizationSettingsEvent::Updated(SettingsOf(organization), changed)).await?;
        Ok(settings)
    }
}

fn shown(row: &SettingsRow) -> Result<OrganizationSettings, DatabaseError> {
    let Document { record_access } = read(row)?;
    let &SettingsRow { organization_id, version, updated_at, .. } = row;
    Ok(OrganizationSettings { organization_id, record_access, version, updated_at })
}

fn read(row: &SettingsRow) -> Result<Document, DatabaseError> {
    serde_json::from_value(row.document.clone())
        .map_err(|error| DatabaseError::Damaged(format!("settings of organization {}: {error}", row.organization_id)))
}

/// Merges new values into a document. Keeps fields that a later version of the service wrote while both run.
fn merge(document: &mut Value, new: Value) {
    match (document, new) {
        (Value::Object(document), Value::Object(new)) => {
            for (name, value) in new {
                merge(document.entry(name).or_insert(Value::Null), value);
            }
        }
        (document, new) => *document = new,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_another_version_has_written_stays() {
        let mut document = json!({ "record_access": { "unlimited": true, "to_come": 1 }, "country": "DE" });
        merge(&mut document, json!({ "record_access": { "unlimited": false, "after_no_show_days": 3 } }));
        let expected =
            json!({ "record_access": { "unlimited": false, "to_come": 1, "after_no_show_days": 3 }, "country": "DE" });
        assert_eq!(document, expected);
    }
}
