//! The caller of a request: a person in an organization or above them, or a program with a key.

use std::{ops::Deref, sync::Arc};

use poem::{Request, RequestBody, Result, http::header};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};
use server_shared::{
    ApiError,
    http::{ClientRequestId, RequestId, client_ip::ClientIp},
};
use uuid::Uuid;

use super::{Capacity, Identity, Permission, Role, api_key::ApiKeyGrant};
use crate::{
    audit::{Actor, Origin, user_agent},
    database::Claim,
    ids::{OrganizationId, PatientId, SpecialistId, UserId},
};

/// Name of the security scheme for people in the specification.
pub(super) const SESSION_TOKEN: &str = "session_token";
/// Name of the security scheme for programs in the specification.
pub(super) const API_KEY: &str = "api_key";
/// The header that carries an API key.
pub(super) const API_KEY_HEADER: &str = "X-Api-Key";

/// How a caller proved who it is.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// A session of the identity provider's, and what it calls the session.
    Session(Arc<Identity>, Arc<str>),
    /// An administrator's token to act as this patient.
    Impersonation(Arc<Identity>),
    /// The link to this person's calendar.
    Feed(Arc<Identity>),
    /// An organization's key.
    ApiKey(Arc<ApiKeyGrant>),
    /// None: the service acts by itself.
    System,
}

/// Who calls; left by authentication, taken by handlers, demanded by the database.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The user; a key has none.
    pub(crate) user_id: Option<UserId>,
    /// The organization of the request, if there is one.
    pub(crate) organization: Option<OrganizationId>,
    /// What the user is in it; `None` for a person in no organization, who may do nothing there, and
    /// for a key, which has scopes instead.
    pub(crate) capacity: Option<Capacity>,
    /// How the caller is known.
    pub(crate) credential: Credential,
    /// What audit rows say of the request.
    pub(crate) request: Origin,
    /// Its `Idempotency-Key`, if it has one.
    pub(crate) claim: Option<Claim>,
}

impl Caller {
    /// The service itself, above organizations, at work on what a request without a caller told it.
    pub(crate) fn system(request: &Request, operation_id: &'static str) -> Self {
        Self::service(origin_of(request, operation_id, Actor::System))
    }

    /// The service itself, at work on a job of an organization, or above them.
    pub(crate) fn job(organization: Option<OrganizationId>, operation_id: &'static str, job: Uuid) -> Self {
        Self::service(Origin { organization, ..Origin::own(Actor::System, operation_id, job) })
    }

    fn service(request: Origin) -> Self {
        Self {
            user_id: None,
            organization: request.organization,
            capacity: None,
            credential: Credential::System,
            request,
            claim: None,
        }
    }

    /// For what the caller may see or do by its permission, though policies on the application role hide
    /// it: runs as the owner, still bound to the caller's organization. Audit rows name the caller.
    pub(crate) fn privileged(&self) -> Self {
        Self { credential: Credential::System, ..self.clone() }
    }

    /// The role of the user in the organization.
    pub(crate) fn role(&self) -> Option<Role> {
        self.capacity.map(Capacity::role)
    }

    /// The patient record of the user, who is a patient in the organization.
    pub(crate) fn patient_id(&self) -> Option<PatientId> {
        self.capacity.and_then(Capacity::patient_id)
    }

    /// The specialist record of the user, who is a specialist in the organization.
    pub(crate) fn specialist_id(&self) -> Option<SpecialistId> {
        self.capacity.and_then(Capacity::specialist_id)
    }

    /// 403 unless the caller is in an organization (but for what concerns the platform) and its role
    /// or its key's scopes have the permission.
    pub(crate) fn may(&self, permission: Permission) -> Result<(), ApiError> {
        let above = permission == Permission::OrganizationCreate
            // Who runs the platform manages the data of a person in every organization at once.
            || permission == Permission::GdprManage && self.role() == Some(Role::Superadmin);
        if !above {
            self.organization()?;
        }
        let name = permission.name();
        if let Credential::ApiKey(grant) = &self.credential {
            let scope = permission.scope();
            if Role::Staff.may(permission) && scope.is_some_and(|scope| grant.scopes.contains(&scope)) {
                return Ok(());
            }
            return Err(ApiError::forbidden("permission_denied", "This API key does not allow this.")
                .with_details(serde_json::json!({ "permission": name, "scope": scope.map(super::Scope::as_text) })));
        }
        if self.role().is_some_and(|role| role.may(permission)) {
            return Ok(());
        }
        // A person of no role is in no organization, and is told so; nobody else without one comes here.
        self.organization()?;
        Err(ApiError::forbidden("permission_denied", "Your role in this organization does not allow this.")
            .with_details(serde_json::json!({ "permission": name, "role": self.role().map(Role::as_str) })))
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

    /// What policies know the caller as.
    pub(crate) fn context_role(&self) -> &'static str {
        match &self.credential {
            Credential::ApiKey(_) => "api_key",
            Credential::System => "system",
            Credential::Session(..) | Credential::Impersonation(_) | Credential::Feed(_) => {
                self.role().map_or("", Role::as_str)
            }
        }
    }

    /// Whether the caller's statements run as the owner: those of superadmins and of the service itself.
    pub(crate) fn is_privileged(&self) -> bool {
        self.role() == Some(Role::Superadmin) || matches!(self.credential, Credential::System)
    }

    /// What the caller may do, as a text that changes when that does.
    pub(super) fn standing(&self) -> String {
        let scopes: &[_] = if let Credential::ApiKey(grant) = &self.credential { &grant.scopes } else { &[] };
        let scopes: Vec<String> = scopes.iter().map(|scope| scope.as_text()).collect();
        format!("{}:{}", self.context_role(), scopes.join(","))
    }

    /// Whether an administrator acts as the user.
    pub(crate) fn is_impersonated(&self) -> bool {
        matches!(self.credential, Credential::Impersonation(_))
    }

    fn place(&mut self, organization: Option<OrganizationId>) {
        self.organization = organization;
        self.request.organization = organization;
    }
}

/// Where a request comes from, before its caller is known.
pub(super) fn origin_of(request: &Request, operation_id: &'static str, actor: Actor) -> Origin {
    Origin {
        actor,
        impersonator: None,
        organization: None,
        operation_id,
        request_id: RequestId::of(request).to_owned(),
        client_request_id: ClientRequestId::of(request),
        ip: ClientIp::of(request),
        user_agent: request.header(header::USER_AGENT).map(user_agent),
    }
}

/// A caller that is a person, where a program has no business: keys get 403 here, whatever their
/// scopes.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    caller: Caller,
    /// The user with every membership.
    identity: Arc<Identity>,
}

impl Person {
    /// `None` for a key.
    pub(super) fn of(caller: Caller) -> Option<Self> {
        let identity = match &caller.credential {
            Credential::Session(identity, _) | Credential::Impersonation(identity) | Credential::Feed(identity) => {
                Arc::clone(identity)
            }
            Credential::ApiKey(_) | Credential::System => return None,
        };
        Some(Self { caller, identity })
    }

    /// The user.
    pub(crate) fn id(&self) -> UserId {
        self.identity.user_id
    }

    /// The user with every membership.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the identity provider's id of the session; `None` for a caller without one.
    pub(crate) fn session(&self) -> Option<&str> {
        if let Credential::Session(_, sid) = &self.caller.credential { Some(sid) } else { None }
    }

    /// 403 while an administrator acts as the person.
    pub(crate) fn in_person(&self) -> Result<(), ApiError> {
        if self.is_impersonated() {
            let message = "This can't be done while acting as somebody else; use a session of your own.";
            return Err(ApiError::forbidden("impersonation_not_allowed", message));
        }
        Ok(())
    }

    /// The same person, with no organization: what concerns its account rather than a clinic.
    ///
    /// Acted as by an administrator, it stays where it is: what concerns the account is not for them.
    pub(crate) fn above_organizations(&self) -> Caller {
        if self.is_impersonated() {
            return self.caller.clone();
        }
        let mut person = self.caller.clone();
        person.place(None);
        person.capacity = self.identity.superadmin.then_some(Capacity::Superadmin);
        person
    }

    /// The same person in another of its organizations; `None` when it is no member.
    pub(crate) fn in_organization(&self, organization: OrganizationId) -> Option<Self> {
        let membership = self.identity.memberships.iter().find(|m| m.organization_id == organization);
        let mut person = self.clone();
        person.caller.place(Some(organization));
        person.caller.capacity = Some(match membership {
            _ if self.identity.superadmin => Capacity::Superadmin,
            Some(membership) => membership.capacity,
            None => return None,
        });
        Some(person)
    }

    /// As the database and the gate take it.
    pub(super) fn into_caller(self) -> Caller {
        self.caller
    }
}

impl Deref for Person {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

fn register_session_token(registry: &mut Registry) {
    registry.create_security_scheme(
        SESSION_TOKEN,
        MetaSecurityScheme {
            ty: "http",
            description: Some(
                "A session token of the identity provider (RS256), or the token of an impersonation (`rximp_…`).",
            ),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: Some("JWT"),
            flows: None,
            openid_connect_url: None,
        },
    );
}

fn register_api_key(registry: &mut Registry) {
    registry.create_security_scheme(
        API_KEY,
        MetaSecurityScheme {
            ty: "apiKey",
            description: Some("An API key of an organization (`rxkey_…`), good for what its scopes say."),
            name: Some(API_KEY_HEADER),
            key_in: Some("header"),
            scheme: None,
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        },
    );
}

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_session_token(registry);
        register_api_key(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SESSION_TOKEN, API_KEY]
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

impl<'a> ApiExtractor<'a> for Person {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_session_token(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SESSION_TOKEN]
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<Self::ParamType>,
    ) -> Result<Self> {
        let caller = Caller::from_request(request, body, options).await?;
        Self::of(caller).ok_or_else(|| ApiError::internal("a key passed the gate of a person's operation").into())
    }
}
