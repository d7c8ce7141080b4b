use server_shared::errors;

use crate::{database::DatabaseError, domain::rules::StaleVersion};

errors! {
    /// Errors of an organization's settings.
    pub(crate) enum OrganizationSettingsError {
        NotFound => NotFound "organization_not_found" "There is no such organization among yours.",
    }
    and those of {
        Stale(#[from] StaleVersion),
        Database(#[from] DatabaseError),
    }
}
