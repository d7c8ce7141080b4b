//! The gate in front of every secured operation: who calls, and in which organization.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use moka::sync::Cache;
use poem::{Request, http::header};
use serde::Deserialize;
use server_shared::{
    ApiError,
    http::{Gate, Operation, RequestId, access_log::Subject, authorization::bearer, client_ip::ClientIp},
    token::{TokenError, Verifier},
};
use sqlx::PgPool;

use super::{Caller, Identities, Identity, Role};
use crate::{
    audit::{Actor, Origin},
    database::DatabaseError,
    ids::OrganizationId,
};

const ORGANIZATION_HEADER: &str = "x-organization-id";
/// On these routes the path is the context.
const ORGANIZATION_PATH: &str = "/v1/organizations/{organization_id}";

/// What a session token says that matters here; issuer, times and the rest are the verifier's.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SessionClaims {
    /// The user, as the identity provider calls it.
    pub(crate) sub: String,
}

/// Knows callers by their session tokens.
pub(crate) struct Authentication {
    verifier: Verifier,
    identities: Identities,
    admin: PgPool,
    /// Organizations that exist, for superadmins, who are members of none.
    existing: Cache<i64, ()>,
}

impl Authentication {
    /// `admin` is asked only whether an organization that a superadmin names exists.
    pub(crate) fn new(verifier: Verifier, identities: Identities, admin: PgPool) -> Self {
        let existing = Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(30)).build();
        Self { verifier, identities, admin, existing }
    }

    async fn identity(&self, request: &Request) -> Result<Arc<Identity>, ApiError> {
        let token = bearer(request).ok_or_else(|| {
            ApiError::unauthorized("unauthenticated", "Send a session token: `Authorization: Bearer …`.")
        })?;
        let claims = self.verifier.verify::<SessionClaims>(token).await.map_err(refused)?;
        self.identities.find(&claims.sub).await?.ok_or_else(|| {
            ApiError::unauthorized("user_unknown", "The token is valid, but its user is not known here.")
        })
    }

    async fn organization(
        &self,
        operation: &Operation,
        request: &Request,
        identity: &Identity,
    ) -> Result<Option<OrganizationId>, ApiError> {
        let header = match request.header(ORGANIZATION_HEADER) {
            Some(text) => Some(organization_id(text).ok_or_else(|| {
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
        let path = operation
            .path
            .starts_with(ORGANIZATION_PATH)
            .then(|| request.uri().path().split('/').nth(3).and_then(organization_id))
            .flatten();
        if let (Some(path), Some(header)) = (path, header)
            && path != header
        {
            let message = "The path and the X-Organization-Id header name different organizations.";
            return Err(ApiError::bad_request("organization_mismatch", message));
        }
        match path.or(header) {
            Some(named) if self.reachable(identity, named).await? => Ok(Some(named)),
            Some(_) => Err(ApiError::not_found("organization_not_found", "There is no such organization among yours.")),
            // The last one chosen, unless the membership has ended since.
            None => Ok(identity.current_organization_id.filter(|current| {
                identity.superadmin || identity.memberships.iter().any(|m| m.organization_id == *current)
            })),
        }
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
        let exists = sqlx::query_scalar!(
            r#"select exists(select from organizations where id = $1) as "exists!""#,
            organization.0
        )
        .fetch_one(&self.admin)
        .await
        .map_err(DatabaseError::from)?;
        if exists {
            self.existing.insert(organization.0, ());
        }
        Ok(exists)
    }
}

#[async_trait]
impl Gate for Authentication {
    async fn admit(&self, operation: &Operation, request: &mut Request) -> Result<(), ApiError> {
        let identity = self.identity(request).await?;
        let organization = self.organization(operation, request, &identity).await?;
        let origin = Origin {
            actor: Actor::User(identity.user_id),
            organization: None,
            operation_id: operation.id,
            request_id: RequestId::of(request).to_owned(),
            ip: ClientIp::of(request),
            user_agent: request.header(header::USER_AGENT).map(str::to_owned),
        };
        let person = Caller {
            user_id: identity.user_id,
            organization: None,
            role: identity.superadmin.then_some(Role::Superadmin),
            patient_id: None,
            specialist_id: None,
            identity,
            request: origin,
        };
        let caller = organization.and_then(|organization| person.in_organization(organization)).unwrap_or(person);
        request
            .extensions_mut()
            .insert(Subject { user_id: Some(caller.user_id.0), organization_id: caller.organization.map(|id| id.0) });
        request.extensions_mut().insert(caller);
        Ok(())
    }
}

fn organization_id(text: &str) -> Option<OrganizationId> {
    text.parse().ok().filter(|id| *id > 0).map(OrganizationId)
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
