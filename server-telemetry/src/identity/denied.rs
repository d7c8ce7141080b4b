//! Refusals because of who calls.

use std::borrow::Cow;

use server_shared::error::{Fault, FaultKind};

/// A refusal because of who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// A superadmin whose token is for no organization asks for something of an organization.
    #[error("This is done in an organization; get a token for one.")]
    NoOrganization,
    /// The role in the organization does not allow it.
    #[error("Only an administrator of the organization may do this.")]
    NotAdministrator,
}

impl Fault for Denied {
    fn kind(&self) -> FaultKind {
        FaultKind::Forbidden
    }

    fn code(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::NoOrganization => "organization_required",
            Self::NotAdministrator => "permission_denied",
        })
    }
}
