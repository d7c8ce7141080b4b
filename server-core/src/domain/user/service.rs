use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use server_shared::token::Ed25519Signer;
use uuid::Uuid;

use super::{
    error::UserError,
    model::{Account, Me, TelemetryClaims, TelemetryToken},
    repository,
};
use crate::{
    audit::Audit,
    database::Database,
    http::{Identities, Person, Role},
    ids::OrganizationId,
};

/// Issuer of telemetry tokens.
const ISSUER: &str = "restartix-core";
/// Who the tokens are for.
const AUDIENCE: &str = "restartix-telemetry";
const TOKEN_MINUTES: i64 = 10;

/// The caller's own account.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    identities: Identities,
    signer: Arc<Ed25519Signer>,
}

impl Service {
    pub(crate) fn new(database: Database, identities: Identities, signer: Arc<Ed25519Signer>) -> Self {
        Self { database, identities, signer }
    }

    pub(super) async fn switch(&self, caller: &Person, organization: OrganizationId) -> Result<Me, UserError> {
        let switched = caller.in_organization(organization).ok_or(UserError::NotAMember)?;
        let user = caller.id();
        let mut tx = self.database.write(&switched).await?;
        repository::user_switch(&mut tx, user, organization).await?;
        // This process answers by the new organization from the very next request on.
        self.identities.invalidate_after(&mut tx, [user]);
        tx.commit(Audit::updated(&Account(user), vec!["current_organization_id"])).await?;
        Ok(Me::of(&switched))
    }

    pub(super) fn telemetry_token(
        &self,
        caller: &Person,
        organization: OrganizationId,
    ) -> Result<TelemetryToken, UserError> {
        let now = Utc::now();
        let expires_at = now + TimeDelta::minutes(TOKEN_MINUTES);
        let claims = TelemetryClaims {
            iss: ISSUER,
            aud: AUDIENCE,
            sub: caller.id().to_string(),
            org: organization.0,
            role: caller.role.map_or("", Role::as_str),
            patient_id: caller.patient_id.map(|id| id.0),
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: expires_at.timestamp(),
            jti: Uuid::now_v7().to_string(),
        };
        Ok(TelemetryToken { token: self.signer.sign(&claims)?, expires_at })
    }

    /// The public half of the key that signs telemetry tokens.
    pub(super) fn key_set(&self) -> serde_json::Value {
        self.signer.jwks()
    }
}
