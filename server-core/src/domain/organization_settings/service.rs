use serde_json::Value;

use super::{
    error::OrganizationSettingsError,
    event::OrganizationSettingsEvent,
    model::{Document, OrganizationSettings, SettingsOf, UpdateOrganizationSettings},
    repository::{self, Standing},
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
        let standing: Option<Standing> = reader.get(organization).await?;
        Ok(shown(&standing.ok_or(OrganizationSettingsError::NotFound)?)?)
    }

    pub(super) async fn update(
        &self,
        caller: &Person,
        organization: OrganizationId,
        input: &UpdateOrganizationSettings,
    ) -> Result<OrganizationSettings, OrganizationSettingsError> {
        let mut tx = self.database.write(caller).await?;
        let standing: Option<Standing> = tx.lock(organization).await?;
        let standing = standing.ok_or(OrganizationSettingsError::NotFound)?;
        StaleVersion::check(input.version, standing.version)?;
        let (before, after) = (read(&standing)?, input.document());
        let mut document = standing.document;
        let said = serde_json::to_value(after).map_err(|error| DatabaseError::Damaged(error.to_string()))?;
        merge(&mut document, said);
        let settings = shown(&repository::settings_update(&mut tx, organization, &document).await?)?;
        let changed = before.record_access.changed(&after.record_access);
        tx.commit(OrganizationSettingsEvent::Updated(SettingsOf(organization), changed)).await?;
        Ok(settings)
    }
}

fn shown(standing: &Standing) -> Result<OrganizationSettings, DatabaseError> {
    let Document { record_access } = read(standing)?;
    let &Standing { organization_id, version, updated_at, .. } = standing;
    Ok(OrganizationSettings { organization_id, record_access, version, updated_at })
}

fn read(standing: &Standing) -> Result<Document, DatabaseError> {
    serde_json::from_value(standing.document.clone()).map_err(|error| {
        DatabaseError::Damaged(format!("settings of organization {}: {error}", standing.organization_id))
    })
}

/// Puts what is said into a document. What a later version has written beside it, while both run, stays.
fn merge(document: &mut Value, said: Value) {
    match (document, said) {
        (Value::Object(document), Value::Object(said)) => {
            for (name, value) in said {
                merge(document.entry(name).or_insert(Value::Null), value);
            }
        }
        (document, said) => *document = said,
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
