use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use server_shared::http::{Page, Paging};
use server_shared::value::Moment;

use super::{
    error::ApiKeyError,
    event::ApiKeyEvent,
    model::{ApiKey, ApiKeySecret, CreateApiKey},
    repository::{self, NewApiKey},
};
use crate::{
    database::Database,
    domain::rules::InvalidValue,
    identity::{Changed, Person, Scope, Secrets},
    ids::{ApiKeyId, OrganizationId},
};

/// Period for which the previous secret is accepted after a rotation.
const OVERLAP: TimeDelta = TimeDelta::hours(24);
/// Longest life of a key.
const FURTHEST: TimeDelta = TimeDelta::days(2 * 366);

/// Service for the API keys of clinics.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    secrets: Arc<Secrets>,
}

impl Service {
    pub(crate) fn new(database: Database, secrets: Arc<Secrets>) -> Self {
        Self { database, secrets }
    }

    pub(super) async fn list(
        &self,
        caller: &Person,
        organization: OrganizationId,
        paging: Paging,
    ) -> Result<Page<ApiKey>, ApiKeyError> {
        let mut reader = self.database.read(caller).open().await?;
        Ok(repository::api_key_page(&mut reader, organization, paging).await?)
    }

    pub(super) async fn create(
        &self,
        caller: &Person,
        organization: OrganizationId,
        input: &CreateApiKey,
    ) -> Result<ApiKeySecret, ApiKeyError> {
        let (now, expires_at) = (Utc::now(), input.expires_at.map(Moment::get));
        if expires_at.is_some_and(|end| end <= now || end > now + FURTHEST) {
            let message = "must be in the future, and at most two years from now";
            return Err(InvalidValue::new("/expires_at", "range", message).into());
        }
        let mut scopes: Vec<String> = input.scopes.iter().copied().map(Scope::as_text).collect();
        scopes.sort_unstable();
        scopes.dedup();
        let secret = self.secrets.make();
        let key = NewApiKey {
            name: input.name.as_str(),
            prefix: &secret.prefix,
            secret_hash: &secret.hash,
            scopes: &scopes,
            created_by: caller.id(),
            expires_at,
        };
        let mut tx = self.database.write(caller).await?;
        let api_key = repository::api_key_create(&mut tx, organization, &key).await?;
        tx.commit(ApiKeyEvent::Created(api_key.id)).await?;
        Ok(ApiKeySecret { api_key, secret: secret.secret })
    }

    pub(super) async fn rotate(
        &self,
        caller: &Person,
        organization: OrganizationId,
        id: ApiKeyId,
    ) -> Result<ApiKeySecret, ApiKeyError> {
        let mut tx = self.database.write(caller).await?;
        if repository::api_key_lock(&mut tx, organization, id).await?.ok_or(ApiKeyError::NotFound)? {
            return Err(ApiKeyError::Revoked);
        }
        let secret = self.secrets.make();
        let api_key =
            repository::api_key_rotate(&mut tx, id, &secret.prefix, &secret.hash, Utc::now() + OVERLAP).await?;
        tx.changed(Changed::ApiKey(id));
        tx.commit(ApiKeyEvent::Rotated(api_key.id)).await?;
        Ok(ApiKeySecret { api_key, secret: secret.secret })
    }

    pub(super) async fn revoke(
        &self,
        caller: &Person,
        organization: OrganizationId,
        id: ApiKeyId,
    ) -> Result<(), ApiKeyError> {
        let mut tx = self.database.write(caller).await?;
        if repository::api_key_lock(&mut tx, organization, id).await?.ok_or(ApiKeyError::NotFound)? {
            return Ok(());
        }
        repository::api_key_revoke(&mut tx, id).await?;
        tx.changed(Changed::ApiKey(id));
        tx.commit(ApiKeyEvent::Revoked(id)).await?;
        Ok(())
    }
}
