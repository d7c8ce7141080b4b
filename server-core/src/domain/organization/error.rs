use server_shared::errors;

use crate::{database::DatabaseError, domain::rules::InvalidValue};

errors! {
    /// Errors of organizations.
    pub(crate) enum OrganizationError {
        NotFound => NotFound "organization_not_found" "There is no such organization among yours.",
        SlugTaken => Conflict "slug_taken" "Another organization has this slug; choose another.",
        ClerkOrganizationTaken => Conflict "clerk_organization_taken"
            "Another organization has this clerk_organization_id.",
    }
    and those of {
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
