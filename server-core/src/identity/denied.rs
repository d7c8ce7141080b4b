//! Why a caller may not do something.

use std::borrow::Cow;

use serde_json::{Value, json};
use server_shared::error::{Fault, FaultKind};

use super::{Permission, Role, Scope};

/// A refusal because of who calls.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Denied {
    /// The request names no organization, and the caller has not switched to one.
    #[error("Name an organization in the X-Organization-Id header, or switch to one.")]
    NoOrganization,
    /// The scopes of the API key don't allow it.
    #[error("This API key does not allow this.")]
    Key {
        /// The permission that is needed.
        permission: Permission,
        /// The scope that would give it; `None` where none does.
        scope: Option<Scope>,
    },
    /// The role in the organization does not allow it.
    #[error("Your role in this organization does not allow this.")]
    Role {
        /// The permission that is needed.
        permission: Permission,
        /// The caller's role.
        role: Option<Role>,
    },
    /// An administrator acts as the person.
    #[error("This can't be done while acting as somebody else; use a session of your own.")]
    Impersonated,
}

impl Fault for Denied {
    fn kind(&self) -> FaultKind {
        FaultKind::Forbidden
    }

    fn code(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::NoOrganization => "organization_required",
            Self::Key { .. } | Self::Role { .. } => "permission_denied",
            Self::Impersonated => "impersonation_not_allowed",
        })
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::Key { permission, scope } => {
                Some(json!({ "permission": permission.name(), "scope": scope.map(Scope::as_text) }))
            }
            Self::Role { permission, role } => {
                Some(json!({ "permission": permission.name(), "role": role.map(Role::as_str) }))
            }
            Self::NoOrganization | Self::Impersonated => None,
        }
    }
}
