use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use serde::{Deserialize, Serialize};

use crate::ids::{Entity, OrganizationId};

/// Settings of an organization; a setting that it has not made has its default.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct OrganizationSettings {
    /// The organization.
    pub(crate) organization_id: OrganizationId,
    /// For how long specialists open the records of whom they treated.
    pub(crate) record_access: RecordAccess,
    /// Rises with each change; the next change says which one it was made from.
    pub(crate) version: i64,
    /// When it last changed.
    pub(crate) updated_at: DateTime<Utc>,
}

/// The settings of an organization, by its id.
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

/// For how long a specialist opens the record of a patient by an appointment with it. From the booking on until
/// the appointment has ended it always does; by one that was cancelled, deleted or only held, never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RecordAccess {
    /// Days after the end of an appointment that took place, or may have.
    pub(crate) after_treatment_days: i32,
    /// True if access has no such end: a specialist who has treated a patient once may always open the record.
    pub(crate) unlimited: bool,
    /// Days after the end of an appointment that the patient did not come to.
    pub(crate) after_no_show_days: i32,
}

/// `record_open_since` in the database has the same.
impl Default for RecordAccess {
    fn default() -> Self {
        Self { after_treatment_days: 90, unlimited: false, after_no_show_days: 7 }
    }
}

impl RecordAccess {
    /// The names of what differs in `other`.
    pub(super) fn changed(&self, other: &Self) -> Vec<&'static str> {
        let differs = [
            ("record_access.after_treatment_days", self.after_treatment_days != other.after_treatment_days),
            ("record_access.unlimited", self.unlimited != other.unlimited),
            ("record_access.after_no_show_days", self.after_no_show_days != other.after_no_show_days),
        ];
        differs.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }
}

/// The document as it is stored. What it does not name has its default; what this version does not know stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Document {
    pub(super) record_access: RecordAccess,
}

/// New settings of an organization, in place of all the present ones.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct UpdateOrganizationSettings {
    /// The version this change was made from; 409 `stale_version` when there is a newer one.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// For how long specialists open the records of whom they treated; the default when left out.
    pub(crate) record_access: Option<UpdateRecordAccess>,
}

/// For how long a specialist opens the record of a patient by an appointment with it.
#[derive(Debug, Clone, Copy, Default, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct UpdateRecordAccess {
    /// Days after the end of an appointment that took place, or may have; 90 when left out, 0 for none.
    #[oai(validator(minimum(value = "0"), maximum(value = "36500")))]
    pub(crate) after_treatment_days: Option<i32>,
    /// True if a specialist who has treated a patient once may always open the record; false when left out.
    pub(crate) unlimited: Option<bool>,
    /// Days after the end of an appointment that the patient did not come to; 7 when left out, 0 for none.
    #[oai(validator(minimum(value = "0"), maximum(value = "36500")))]
    pub(crate) after_no_show_days: Option<i32>,
}

impl UpdateOrganizationSettings {
    /// With each default where nothing is said.
    pub(super) fn document(&self) -> Document {
        let (said, default) = (self.record_access.unwrap_or_default(), RecordAccess::default());
        Document {
            record_access: RecordAccess {
                after_treatment_days: said.after_treatment_days.unwrap_or(default.after_treatment_days),
                unlimited: said.unlimited.unwrap_or(default.unlimited),
                after_no_show_days: said.after_no_show_days.unwrap_or(default.after_no_show_days),
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
