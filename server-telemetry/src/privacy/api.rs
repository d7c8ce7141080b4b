//! Operations on a person's own consent.

use std::sync::Arc;

use poem_openapi::{OpenApi, payload::Json};
use server_shared::{ApiError, http::Body};

use super::{
    ConsentService,
    model::{Consent, ConsentUpdate},
};
use crate::{identity::Person, ingest::Tag};

/// Operations under `/v1/privacy`.
pub(crate) struct PrivacyApi {
    pub consents: Arc<ConsentService>,
}

#[OpenApi(prefix_path = "/v1/privacy", tag = "Tag::Privacy")]
impl PrivacyApi {
    /// Get your own consent
    ///
    /// Returns the latest decision on each purpose, in the organization of the token.
    #[oai(path = "/consent", method = "get", operation_id = "consent_get")]
    async fn consent_get(&self, person: Person) -> Result<Json<Consent>, ApiError> {
        Ok(Json(self.consents.get(&person.member()?).await?))
    }

    /// Decide on your own consent
    ///
    /// Takes effect before the answer: from the next request on, events are stored for each purpose that was consented
    /// to, and for no other. Earlier decisions are kept with their time and text version. Answers 409
    /// `erasure_in_progress` while the person's data is being erased.
    #[oai(path = "/consent", method = "put", operation_id = "consent_put")]
    async fn consent_put(&self, person: Person, body: Body<ConsentUpdate>) -> Result<Json<Consent>, ApiError> {
        Ok(Json(self.consents.put(&person.member()?, body.0).await?))
    }
}
