//! Refusals because of who calls.

use server_shared::errors;

errors! {
    /// A refusal because of who calls.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Denied {
        /// A superadmin whose token is for no organization asks for something of an organization.
        NoOrganization => Forbidden "organization_required" "This is done in an organization; get a token for one.",
        /// The role in the organization does not allow it.
        NotAdministrator => Forbidden "permission_denied" "Only an administrator of the organization may do this.",
    }
}
