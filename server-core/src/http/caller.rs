//! The caller of a request: a person in an organization, or above them.

use std::sync::Arc;

use poem::{Request, RequestBody, Result};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};
use server_shared::ApiError;

use super::{Identity, Permission, Role};
use crate::{
    audit::Origin,
    ids::{OrganizationId, PatientId, SpecialistId, UserId},
};

/// Name of the security scheme in the specification.
pub(super) const SESSION_TOKEN: &str = "session_token";

/// Who calls; left by authentication, taken by handlers, demanded by the database.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The user.
    pub(crate) user_id: UserId,
    /// The organization of the request, if there is one.
    pub(crate) organization: Option<OrganizationId>,
    /// What the user is in it; `None` for a person in no organization, who may do nothing there.
    pub(crate) role: Option<Role>,
    /// The patient record of the user in the organization.
    pub(crate) patient_id: Option<PatientId>,
    /// The specialist record of the user in the organization.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// The user with every membership.
    pub(crate) identity: Arc<Identity>,
    /// What audit rows say of the request.
    pub(crate) request: Origin,
}

impl Caller {
    /// 403 unless the caller is in an organization (but for what concerns the platform) and its role
    /// has the permission.
    pub(crate) fn may(&self, permission: Permission) -> Result<(), ApiError> {
        if permission != Permission::OrganizationCreate {
            self.organization()?;
        }
        let Some(role) = self.role else { return self.organization().map(|_| ()) };
        if role.may(permission) {
            return Ok(());
        }
        let name = poem_openapi::types::ToJSON::to_json(&permission).unwrap_or_default();
        Err(ApiError::forbidden("permission_denied", "Your role in this organization does not allow this.")
            .with_details(serde_json::json!({ "permission": name, "role": role.as_str() })))
    }

    /// The organization of the request; 403 when there is none.
    pub(crate) fn organization(&self) -> Result<OrganizationId, ApiError> {
        self.organization.ok_or_else(|| {
            ApiError::forbidden(
                "organization_required",
                "Name an organization in the X-Organization-Id header, or switch to one.",
            )
        })
    }

    /// The same person, with no organization: what concerns its account rather than a clinic.
    pub(crate) fn above_organizations(&self) -> Self {
        let mut person = self.clone();
        person.organization = None;
        person.request.organization = None;
        person.role = self.identity.superadmin.then_some(Role::Superadmin);
        person.patient_id = None;
        person.specialist_id = None;
        person
    }

    /// The same person in another of its organizations; `None` when it is no member.
    pub(crate) fn in_organization(&self, organization: OrganizationId) -> Option<Self> {
        let membership = self.identity.memberships.iter().find(|m| m.organization_id == organization);
        let mut caller = self.clone();
        caller.organization = Some(organization);
        caller.request.organization = Some(organization);
        match membership {
            Some(membership) if !self.identity.superadmin => {
                caller.role = Some(membership.role);
                caller.patient_id = membership.patient_id;
                caller.specialist_id = membership.specialist_id;
            }
            _ if self.identity.superadmin => {
                caller.role = Some(Role::Superadmin);
                caller.patient_id = None;
                caller.specialist_id = None;
            }
            _ => return None,
        }
        Some(caller)
    }
}

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme(
            SESSION_TOKEN,
            MetaSecurityScheme {
                ty: "http",
                description: Some("A session token of the identity provider (RS256)."),
                name: None,
                key_in: None,
                scheme: Some("bearer"),
                bearer_format: Some("JWT"),
                flows: None,
                openid_connect_url: None,
            },
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SESSION_TOKEN]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> Result<Self> {
        // The gate stands in front of every secured operation; without it there is no caller.
        let caller = request.extensions().get::<Self>().cloned();
        caller.ok_or_else(|| ApiError::internal("a secured operation was reached without a caller").into())
    }
}
