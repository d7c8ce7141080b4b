use serde_json::json;
use server_shared::errors;

use crate::database::DatabaseError;

errors! {
    /// Errors of an organization's settings.
    pub(crate) enum OrganizationSettingsError {
        NotFound => NotFound "organization_not_found" "There is no such organization among yours.",
        StaleVersion { current: i64 } => Conflict "stale_version"
            "Somebody else has changed the settings meanwhile; read them again and decide anew."
            with json!({ "version": current }),
    }
    and those of {
        Database(#[from] DatabaseError),
    }
}
