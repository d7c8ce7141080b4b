//! Refusals that depend on the caller.

use server_shared::errors;

errors! {
    /// Refusal that depends on the caller.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Denied {
        /// A superadmin whose token names no organization calls an operation of an organization.
        NoOrganization => Forbidden "organization_required" "This is done in an organization; get a token for one.",
        /// The role in the organization does not allow it.
        NotAdministrator => Forbidden "permission_denied" "Only an administrator of the organization may do this.",
    }
}
