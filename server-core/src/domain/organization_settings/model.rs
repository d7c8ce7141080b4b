use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use serde::{Deserialize, Serialize};

use crate::ids::{Entity, OrganizationId};

/// Settings of an organization. A setting that was never changed has its default.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct OrganizationSettings {
    /// Id of the organization.
    pub(crate) organization_id: OrganizationId,
    /// Rules for the period in which specialists may open the records of their patients.
    pub(crate) record_access: RecordAccess,
    /// Version of the settings, to be sent with the next change; increases with each change.
    pub(crate) version: i64,
    /// Time of the last change.
    pub(crate) updated_at: DateTime<Utc>,
}

/// Settings as the entity of events, by the organization's id.
#[derive(Debug, Clone)]
pub(crate) struct SettingsOf(pub(super) OrganizationId);

impl Entity for SettingsOf {
    const TYPE: &'static str = "organization_settings";

    fn entity_id(&self) -> String {
        self.0.to_string()
    }
}

impl Example for OrganizationSettings {
    fn example() -> Self {
        Self {
            organization_id: OrganizationId(1),
            record_access: RecordAccess { after_treatment_days: 180, ..RecordAccess::default() },
            version: 2,
            updated_at: DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500),
        }
    }
}

/// Period in which an appointment lets its specialist open the patient's record. It starts with the booking and lasts
/// at least until the end of the appointment. A cancelled, deleted or held appointment gives no access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RecordAccess {
    /// Number of days of access after the end of an appointment that took place, or whose outcome is not recorded.
    pub(crate) after_treatment_days: i32,
    /// `true` if access never ends after an appointment that the patient did not miss; `after_treatment_days` then has
    /// no effect.
    pub(crate) unlimited: bool,
    /// Number of days of access after the end of an appointment that the patient missed.
    pub(crate) after_no_show_days: i32,
}

/// The function `record_open_since` of the database has the same defaults.
impl Default for RecordAccess {
    fn default() -> Self {
        Self { after_treatment_days: 90, unlimited: false, after_no_show_days: 7 }
    }
}

impl RecordAccess {
    /// Returns the names of the fields that differ in `other`.
    pub(super) fn changed(&self, other: &Self) -> Vec<&'static str> {
        let differs = [
            ("record_access.after_treatment_days", self.after_treatment_days != other.after_treatment_days),
            ("record_access.unlimited", self.unlimited != other.unlimited),
            ("record_access.after_no_show_days", self.after_no_show_days != other.after_no_show_days),
        ];
        differs.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }
}

/// Stored document. A missing field has its default; an update keeps fields that this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Document {
    pub(super) record_access: RecordAccess,
}

/// New settings of an organization, which replace all present ones.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct UpdateOrganizationSettings {
    /// Version that the change is based on; 409 `stale_version` if it is not the current one.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// Rules for the period in which specialists may open the records of their patients; the default if left out.
    pub(crate) record_access: Option<UpdateRecordAccess>,
}

/// Period in which an appointment lets its specialist open the patient's record.
#[derive(Debug, Clone, Copy, Default, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct UpdateRecordAccess {
    /// Number of days of access after the end of an appointment that took place, or whose outcome is not recorded; 90
    /// if left out, 0 for none.
    #[oai(validator(minimum(value = "0"), maximum(value = "36500")))]
    pub(crate) after_treatment_days: Option<i32>,
    /// `true` if access never ends after an appointment that the patient did not miss; `after_treatment_days` then has
    /// no effect. `false` if left out.
    pub(crate) unlimited: Option<bool>,
    /// Number of days of access after the end of an appointment that the patient missed; 7 if left out, 0 for none.
    #[oai(validator(minimum(value = "0"), maximum(value = "36500")))]
    pub(crate) after_no_show_days: Option<i32>,
}

impl UpdateOrganizationSettings {
    /// Returns the document, with defaults for the settings that are left out.
    pub(super) fn document(&self) -> Document {
        let (given, default) = (self.record_access.unwrap_or_default(), RecordAccess::default());
        Document {
            record_access: RecordAccess {
                after_treatment_days: given.after_treatment_days.unwrap_or(default.after_treatment_days),
                unlimited: given.unlimited.unwrap_or(default.unlimited),
                after_no_show_days: given.after_no_show_days.unwrap_or(default.after_no_show_days),
            },
        }
    }
}

impl Example for UpdateOrganizationSettings {
    fn example() -> Self {
        let OrganizationSettings { version, record_access, .. } = OrganizationSettings::example();
        let record_access = UpdateRecordAccess {
            after_treatment_days: Some(record_access.after_treatment_days),
            unlimited: Some(record_access.unlimited),
            after_no_show_days: Some(record_access.after_no_show_days),
        };
        Self { version, record_access: Some(record_access) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_of_another_version_keeps_its_meaning() {
        let read = |stored| serde_json::from_value::<Document>(stored).unwrap();
        assert_eq!(read(json!({})), Document::default());
        let stored = json!({ "record_access": { "unlimited": true, "to_come": 1 }, "country": "DE" });
        let expected = RecordAccess { unlimited: true, ..RecordAccess::default() };
        assert_eq!(read(stored).record_access, expected);
    }
}
