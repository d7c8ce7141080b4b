//! Gate in front of every secured operation: finds the caller and the organization, and records refused requests.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use moka::sync::Cache;
use poem::{
    Request, Response,
    http::{Extensions, Method, StatusCode},
};
use server_shared::{
    ApiError,
    http::{Gate, Operation, PathIds, access_log::Subject, authorization::bearer, path::id_number},
    token::{TokenError, Verifier},
};

use super::{
    Identities, Sessions,
    api_key::ApiKeys,
    caller::{API_KEY, API_KEY_HEADER, origin_of},
    claims::SessionClaims,
    impersonation::Impersonations,
    repository,
};
use crate::{
    audit::{Refusal, RefusedRequest, RefusedRequests},
    database::Across,
    identity::{Actor, Caller, Capacity, Credential, Identity, Origin, Person, Role, Session},
    ids::OrganizationId,
};

const ORGANIZATION_HEADER: &str = "x-organization-id";
/// Routes whose path names the organization.
const ORGANIZATION_PATH: &str = "/v1/organizations/{organization_id}";
const ORGANIZATION_ID: &str = "organization_id";

/// Sources of callers' identities.
pub(crate) struct Directory {
    /// Verifier of session tokens.
    pub(crate) verifier: Verifier,
    /// Ended sessions.
    pub(crate) sessions: Sessions,
    /// Users.
    pub(crate) identities: Identities,
    /// Keys.
    pub(crate) api_keys: ApiKeys,
    /// Administrators acting as patients.
    pub(crate) impersonations: Impersonations,
}

/// Authenticates callers.
pub(crate) struct Authentication {
    directory: Directory,
    across: Across,
    /// Organizations that exist, for superadmins, who are members of none.
    existing: Cache<i64, ()>,
    attempts: RefusedRequests,
}

/// Data of a request for the audit trail, in case it is refused.
#[derive(Debug, Clone)]
struct Visit {
    origin: Origin,
    /// The last id in the path; a caller's other texts are not recorded.
    entity_id: Option<String>,
}

impl Authentication {
    /// Makes the gate. It uses `across` only to check that an organization named by a superadmin exists.
    pub(crate) fn new(directory: Directory, across: Across, attempts: RefusedRequests) -> Self {
        let existing = Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(30)).build();
        Self { directory, across, existing, attempts }
    }

    async fn caller(&self, operation: &Operation, request: &Request, origin: &mut Origin) -> Result<Caller, ApiError> {
        let named = Named::of(operation, request);
        match (request.headers().get(API_KEY_HEADER), bearer(request)) {
            (Some(_), Some(_)) => Err(ApiError::bad_request(
                "ambiguous_credentials",
                "Send either `Authorization` or `X-Api-Key`, not both.",
            )),
            (Some(key), None) => self.program(key.to_str().unwrap_or_default(), named, origin).await,
            (None, Some(token)) if self.directory.impersonations.claims(token) => {
                self.impersonated(token, named, origin).await
            }
            (None, Some(token)) => self.person(token, named, origin).await,
            (None, None) => Err(ApiError::unauthorized(
                "unauthenticated",
                "Send a session token (`Authorization: Bearer …`) or an API key (`X-Api-Key: …`).",
            )),
        }
    }

    async fn person(
        &self,
        token: &str,
        named: Result<Named, ApiError>,
        origin: &mut Origin,
    ) -> Result<Caller, ApiError> {
        let claims = self.directory.verifier.verify::<SessionClaims>(token).await.map_err(refused)?;
        if self.directory.sessions.ended(&claims.sid).await? {
            return Err(ApiError::unauthorized("session_ended", "The session has ended; sign in again."));
        }
        let identity = self.directory.identities.find(&claims.sub).await?.ok_or_else(|| {
            ApiError::unauthorized("user_unknown", "The token is valid, but its user is not known here.")
        })?;
        origin.actor = Actor::User(identity.user_id);
        let organization = match named?.0 {
            Some(organization) if self.reachable(&identity, organization).await? => Some(organization),
            Some(_) => return Err(not_among_yours()),
            // The current organization, unless the membership has ended since.
            None => identity.current_organization_id.filter(|current| {
                identity.superadmin || identity.memberships.iter().any(|m| m.organization_id == *current)
            }),
        };
        let session = Session { id: claims.sid.as_str().into(), authenticated_at: claims.authenticated_at() };
        let person = person(Credential::Session(identity, session), origin)?;
        let placed = organization.and_then(|organization| person.in_organization(organization));
        Ok(placed.unwrap_or(person).into_caller())
    }

    async fn impersonated(
        &self,
        token: &str,
        named: Result<Named, ApiError>,
        origin: &mut Origin,
    ) -> Result<Caller, ApiError> {
        let ended = || {
            ApiError::unauthorized(
                "impersonation_ended",
                "The impersonation is over, or was never begun; begin another.",
            )
        };
        let grant = self.directory.impersonations.find(token).await?.filter(|grant| grant.is_good());
        let grant = grant.ok_or_else(ended)?;
        origin.impersonator = Some(grant.impersonator);
        // It ends with the session that it was begun from.
        if let Some(session) = &grant.session
            && self.directory.sessions.ended(session).await?
        {
            return Err(ended());
        }
        named?.only(grant.organization)?;
        // Both must still have their roles: an administrator who lost the role can't impersonate.
        let impersonator = self.directory.identities.find(&grant.impersonator_subject).await?.ok_or_else(ended)?;
        let patient = self.directory.identities.find(&grant.patient_subject).await?.ok_or_else(ended)?;
        let administers = impersonator.superadmin
            || impersonator
                .memberships
                .iter()
                .any(|m| m.organization_id == grant.organization && m.capacity.role() == Role::Admin);
        let membership = patient
            .memberships
            .iter()
            .find(|m| m.organization_id == grant.organization && m.capacity == Capacity::Patient(Some(grant.patient)))
            .filter(|_| administers)
            .ok_or_else(ended)?;
        origin.actor = Actor::User(patient.user_id);
        // The administrator gets the rights of this patient only, even if the user has other memberships.
        let acted = Identity {
            user_id: patient.user_id,
            name: patient.name.clone(),
            superadmin: false,
            current_organization_id: Some(grant.organization),
            memberships: vec![membership.clone()],
        };
        let acting = person(Credential::Impersonation(Arc::new(acted)), origin)?;
        acting.in_organization(grant.organization).map(Person::into_caller).ok_or_else(ended)
    }

    async fn program(
        &self,
        key: &str,
        named: Result<Named, ApiError>,
        origin: &mut Origin,
    ) -> Result<Caller, ApiError> {
        let grant =
            self.directory.api_keys.find(key).await?.ok_or_else(|| {
                ApiError::unauthorized("invalid_api_key", "There is no such API key, or it was revoked.")
            })?;
        if !grant.is_good() {
            return Err(ApiError::unauthorized("api_key_expired", "The API key has expired; ask for a new one."));
        }
        origin.actor = Actor::ApiKey(grant.id);
        named?.only(grant.organization)?;
        origin.organization = Some(grant.organization);
        Ok(Caller {
            user_id: None,
            organization: Some(grant.organization),
            capacity: None,
            credential: Credential::ApiKey(grant),
            request: origin.clone(),
        })
    }

    async fn reachable(&self, identity: &Identity, organization: OrganizationId) -> Result<bool, ApiError> {
        if identity.memberships.iter().any(|m| m.organization_id == organization) {
            return Ok(true);
        }
        if !identity.superadmin {
            return Ok(false);
        }
        if self.existing.contains_key(&organization.0) {
            return Ok(true);
        }
        let exists = repository::organization_exists(&self.across, organization).await?;
        if exists {
            self.existing.insert(organization.0, ());
        }
        Ok(exists)
    }
}

#[async_trait]
impl Gate for Authentication {
    async fn admit(&self, operation: &Operation, request: &mut Request) -> Result<Option<Response>, ApiError> {
        let mut origin = origin_of(request, operation.id, Actor::Anonymous);
        let caller = self.caller(operation, request, &mut origin).await;
        let entity_id = PathIds::of(request).last().map(|id| id.to_string());
        request.extensions_mut().insert(Visit { origin, entity_id });
        let caller = caller?;
        let is_key = matches!(caller.credential, Credential::ApiKey(_));
        let subject =
            Subject { user_id: caller.user_id.map(|id| id.0), organization_id: caller.organization.map(|id| id.0) };
        request.extensions_mut().insert(subject);
        request.extensions_mut().insert(caller);
        if is_key && !operation.security.contains(&API_KEY) {
            let message = "This operation is for people: no API key allows it.";
            return Err(ApiError::forbidden("permission_denied", message));
        }
        Ok(None)
    }

    async fn settle(
        &self,
        operation: &Operation,
        visit: &Extensions,
        outcome: Result<Response, ApiError>,
    ) -> Result<Response, ApiError> {
        if let Err(error) = &outcome
            && let Some(refusal) = refusal_of(operation, error)
            && let Some(seen) = visit.get::<Visit>()
        {
            let origin = visit.get::<Caller>().map_or(&seen.origin, |caller| &caller.request);
            self.attempts.record(RefusedRequest {
                origin: origin.clone(),
                refusal,
                entity_type: last_noun(operation),
                entity_id: seen.entity_id.clone(),
                error_code: error.code().to_owned(),
                occurrences: 1,
            });
        }
        outcome
    }
}

/// Returns the audit entry's kind of refusal for an error. `None` for a read that found nothing, unless it is one of
/// protected health information.
fn refusal_of(operation: &Operation, error: &ApiError) -> Option<Refusal> {
    let mutates = ![Method::GET, Method::HEAD].contains(&operation.method);
    match error.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some(Refusal::Denied),
        StatusCode::NOT_FOUND if error.code() == NOT_AMONG_YOURS => Some(Refusal::Denied),
        StatusCode::NOT_FOUND if operation.phi() => Some(Refusal::Failed),
        // Refusals by a rate limit would fill the audit log with the requests that it stops.
        StatusCode::TOO_MANY_REQUESTS => None,
        _ => mutates.then_some(Refusal::Failed),
    }
}

/// The organization that a request names.
#[derive(Debug, Clone, Copy)]
struct Named(Option<OrganizationId>);

impl Named {
    fn of(operation: &Operation, request: &Request) -> Result<Self, ApiError> {
        let header = match request.header(ORGANIZATION_HEADER) {
            Some(text) => Some(id_number(text).map(OrganizationId).ok_or_else(|| {
                ApiError::bad_request("invalid_parameter", "The header X-Organization-Id must be an organization's id.")
            })?),
            None if request.headers().contains_key(ORGANIZATION_HEADER) => {
                return Err(ApiError::bad_request(
                    "invalid_parameter",
                    "The header X-Organization-Id is not readable text.",
                ));
            }
            None => None,
        };
        let is_context = operation.path.starts_with(ORGANIZATION_PATH);
        let path = PathIds::of(request).number(ORGANIZATION_ID).filter(|_| is_context).map(OrganizationId);
        if let (Some(path), Some(header)) = (path, header)
            && path != header
        {
            let message = "The path and the X-Organization-Id header name different organizations.";
            return Err(ApiError::bad_request("organization_mismatch", message));
        }
        Ok(Self(path.or(header)))
    }

    /// Returns 404 if it is another than the organization of the credential.
    fn only(self, organization: OrganizationId) -> Result<(), ApiError> {
        if self.0.is_none_or(|named| named == organization) { Ok(()) } else { Err(not_among_yours()) }
    }
}

/// Makes a person without an organization.
pub(super) fn person(credential: Credential, origin: &Origin) -> Result<Person, ApiError> {
    let (Credential::Session(identity, _) | Credential::Impersonation(identity) | Credential::Feed(identity)) =
        &credential
    else {
        return Err(ApiError::internal("a key is no person"));
    };
    let (user_id, superadmin) = (identity.user_id, identity.superadmin);
    let caller = Caller {
        user_id: Some(user_id),
        organization: None,
        capacity: superadmin.then_some(Capacity::Superadmin),
        credential,
        request: origin.clone(),
    };
    Person::of(caller).ok_or_else(|| ApiError::internal("a person has an identity"))
}

const NOT_AMONG_YOURS: &str = "organization_not_found";

fn not_among_yours() -> ApiError {
    ApiError::not_found(NOT_AMONG_YOURS, "There is no such organization among yours.")
}

/// The noun that the last id in a path belongs to (`appointment` of `{appointment_id}`), if the operation is
/// named after it.
fn last_noun(operation: &Operation) -> Option<&'static str> {
    let name = operation.path.rsplit('/').find_map(|part| part.strip_prefix('{')?.strip_suffix("_id}"))?;
    operation.id.starts_with(name).then(|| &operation.id[..name.len()])
}

fn refused(error: TokenError) -> ApiError {
    match error {
        TokenError::KeysUnavailable => ApiError::unavailable(
            "identity_provider_unavailable",
            "The token can't be checked: the identity provider's keys can't be reached. Try again.",
            error,
        ),
        TokenError::Expired => ApiError::unauthorized("token_expired", "The session token has expired; get a new one."),
        other => ApiError::unauthorized("invalid_token", format!("The session token is not accepted: {other}.")),
    }
}
