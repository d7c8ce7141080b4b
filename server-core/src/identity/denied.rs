//! Refusals because of missing permissions.

use serde_json::json;
use server_shared::errors;

use super::{Permission, Role, Scope};

errors! {
    /// Refusal of a request because of its caller.
    pub(crate) enum Denied {
        /// The request names no organization, and the caller has no current one.
        NoOrganization => Forbidden "organization_required"
            "Name an organization in the X-Organization-Id header, or switch to one.",
        /// The scopes of the API key don't include the permission; `scope` is the one that would, if any does.
        Key { permission: Permission, scope: Option<Scope> } => Forbidden "permission_denied"
            "This API key does not allow this."
            with json!({ "permission": permission.name(), "scope": scope.map(Scope::as_text) }),
        /// The role in the organization doesn't include the permission.
        Role { permission: Permission, role: Option<Role> } => Forbidden "permission_denied"
            "Your role in this organization does not allow this."
            with json!({ "permission": permission.name(), "role": role.map(Role::as_str) }),
        /// The operation is not available while an administrator acts as the person.
        Impersonated => Forbidden "impersonation_not_allowed"
            "This can't be done while acting as somebody else; use a session of your own.",
    }
}
