//! `Idempotency-Key`: makes a POST safe to repeat.
//!
//! Before the handler, the key of the request is looked up. If it was used, the first answer is returned again;
//! otherwise the key becomes a [`Claim`] that the request's transaction finds by the request's id. After the handler,
//! its answer is committed together with its changes. A request that fails, or ends with the process, leaves its key
//! unused.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use poem::{
    IntoResponse, Request, Response,
    http::{Extensions, HeaderName, HeaderValue, Method, StatusCode},
};
use serde_json::{Value, json};
use server_shared::{
    ApiError,
    http::{Gate, Operation, body::BodyDigest},
};
use sha2::{Digest, Sha256};

use super::{
    limits::who,
    repository::{self, Stored},
};
use crate::{
    database::{Claim, ClaimState, Claimed, Database, Disclosed, RequestHash, SealedAnswer},
    encryption::{Encryption, NO_ORGANIZATION},
    identity::{Caller, Role},
};

/// Header of a request with the key.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Header of an answer that repeats the first one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const KEY_LENGTH: usize = 255;

/// Gate that lets callers repeat requests.
pub(crate) struct Idempotency<G> {
    gate: G,
    database: Database,
    encryption: Arc<Encryption>,
}

/// A key and the request that it was sent with, as keyed hashes.
struct Sent {
    organization: i64,
    key_hash: Vec<u8>,
    request_hash: RequestHash,
    /// Hash of the body, of an operation that reads one.
    body: Option<BodyDigest>,
}

impl<G> Idempotency<G> {
    pub(crate) fn new(gate: G, database: Database, encryption: Arc<Encryption>) -> Self {
        Self { gate, database, encryption }
    }

    /// Returns the request's key, bound to its caller and route. `None` for callers without an organization, who can
    /// write nothing that a key would protect; superadmins can.
    fn sent(&self, operation: &Operation, caller: &Caller, request: &mut Request) -> Result<Option<Sent>, ApiError> {
        let Some(key) = request.headers().get(KEY).filter(|_| operation.method == Method::POST) else {
            return Ok(None);
        };
        let valid = |key: &&[u8]| (1..=KEY_LENGTH).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
        let key = Some(key.as_bytes()).filter(valid).ok_or_else(|| {
            ApiError::bad_request(
                "invalid_parameter",
                "The header Idempotency-Key must be 1 to 255 printable characters, a UUID for example.",
            )
        })?;
        let key = String::from_utf8_lossy(key).into_owned();
        let Some(who) = who(caller.request.actor) else { return Ok(None) };
        // An administrator acting as a patient is not that patient.
        let caller_name = format!("{who}\0{:?}", caller.request.impersonator);
        let organization = caller.organization;
        if organization.is_none() && caller.role() != Some(Role::Superadmin) {
            return Ok(None);
        }
        let target = request.uri().path_and_query().map_or("", |target| target.as_str()).to_owned();
        // An answer is for a caller with the same rights: with another role or other scopes it is another request.
        let standing = caller.authority();
        let body = operation.takes_body.then(|| BodyDigest::of(request));
        let organization = organization.unwrap_or(NO_ORGANIZATION);
        let key_hash = format!("{caller_name}\0{}\0{key}", operation.id);
        let key_hash = self.encryption.index(organization, "idempotency_keys.key", &key_hash);
        let (encryption, read) = (Arc::clone(&self.encryption), body.clone());
        let request_hash = RequestHash::new(move || {
            // An operation without a body ignores the one that was sent.
            let body = read.as_ref().and_then(BodyDigest::finished).unwrap_or_else(|| Sha256::digest(b"").into());
            let request = format!("{target}\0{standing}\0{}", hex::encode(body));
            encryption.index(organization, "idempotency_keys.request", &request)
        });
        Ok(Some(Sent { organization: organization.0, key_hash, request_hash, body }))
    }

    /// Returns the first answer again, with the data that it disclosed.
    fn replay(&self, organization: i64, request_hash: &[u8], stored: Disclosed<Stored>) -> Result<Response, ApiError> {
        let again = stored.try_map(|stored| self.answer_again(organization, request_hash, &stored))?;
        Ok(again.into_response())
    }

    /// Opens the first answer, or refuses another request under the same key.
    fn answer_again(&self, organization: i64, request_hash: &[u8], stored: &Stored) -> Result<Response, ApiError> {
        if stored.request_hash != request_hash {
            return Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "The Idempotency-Key was sent with another request before; each needs one of its own.",
            ));
        }
        let sealed = (stored.wrapped_key.as_slice(), stored.answer.as_slice());
        let plain = self.encryption.open_answer(organization, stored.id, sealed)?;
        if stored.secret {
            let id = serde_json::from_slice::<Value>(&plain).unwrap_or_default();
            return Err(ApiError::conflict(
                "secret_already_shown",
                "The request was carried out before, and its answer showed a secret that is shown once.",
            )
            .with_details(json!({ "id": id })));
        }
        let Kept { content_type, body } = Kept::read(&plain);
        let status = u16::try_from(stored.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
        let mut response = Response::builder().status(status.unwrap_or_default());
        if let Some(content_type) = content_type {
            response = response.content_type(content_type);
        }
        Ok(response.header(REPLAYED, HeaderValue::from_static("true")).body(body.to_vec()))
    }

    /// Commits the handler's answer together with its changes.
    async fn commit(&self, operation: &Operation, claim: &Claim, mut response: Response) -> Result<Response, ApiError> {
        let body = response.take_body().into_bytes().await.map_err(ApiError::internal)?;
        // Only the id is kept of an answer that shows a secret.
        let secret = operation.shows_secret();
        let plain = if secret {
            let answer = serde_json::from_slice::<Value>(&body).unwrap_or_default();
            made(&answer).to_string().into_bytes()
        } else {
            Kept { content_type: response.content_type(), body: &body }.write()
        };
        let (wrapped_key, answer) = self.encryption.seal_answer(claim.organization(), claim.id(), &plain);
        claim.commit(SealedAnswer { status: response.status().as_u16(), secret, wrapped_key, answer }).await?;
        response.set_body(body);
        Ok(response)
    }

    async fn conclude(
        &self,
        operation: &Operation,
        caller: &Caller,
        claim: &Claim,
        outcome: Result<Response, ApiError>,
    ) -> Result<Response, ApiError> {
        match (claim.state(), outcome) {
            (ClaimState::Held, Ok(response)) => self.commit(operation, claim, response).await,
            (ClaimState::Held, Err(error)) => {
                claim.abandon();
                Err(error)
            }
            (ClaimState::Taken, _) => {
                let stored =
                    repository::answer_find(&self.database, caller, claim.organization(), claim.key_hash()).await?;
                let stored = stored.ok_or_else(in_progress)?;
                self.replay(claim.organization(), &claim.request_hash(), stored)
            }
            (ClaimState::Waited, _) => Err(in_progress()),
            (ClaimState::Lost, Ok(_)) => Err(undone()),
            (ClaimState::Lost, Err(error)) => Err(error),
            (ClaimState::Nothing, outcome) => outcome,
        }
    }
}

#[async_trait]
impl<G: Gate> Gate for Idempotency<G> {
    async fn admit(&self, operation: &Operation, request: &mut Request) -> Result<Option<Response>, ApiError> {
        if let Some(answered) = self.gate.admit(operation, request).await? {
            return Ok(Some(answered));
        }
        if !request.headers().contains_key(KEY) {
            return Ok(None);
        }
        let Some(caller) = request.extensions().get::<Caller>().cloned() else { return Ok(None) };
        let Some(sent) = self.sent(operation, &caller, request)? else { return Ok(None) };
        if let Some(stored) =
            repository::answer_find(&self.database, &caller, sent.organization, &sent.key_hash).await?
        {
            if let Some(body) = &sent.body {
                body.read(request).await?;
            }
            return self.replay(sent.organization, &sent.request_hash.compute(), stored).map(Some);
        }
        let claim = Claim::new(sent.organization, sent.key_hash, sent.request_hash);
        let claimed = self.database.claim(&caller.request.request_id, claim);
        request.extensions_mut().insert(claimed);
        Ok(None)
    }

    async fn settle(
        &self,
        operation: &Operation,
        visit: &Extensions,
        outcome: Result<Response, ApiError>,
    ) -> Result<Response, ApiError> {
        let outcome = match visit.get::<Caller>().zip(visit.get::<Claimed>()) {
            Some((caller, claim)) => self.conclude(operation, caller, claim, outcome).await,
            None => outcome,
        };
        self.gate.settle(operation, visit, outcome).await
    }
}

/// Returns the id in an answer with a secret, at the top or in the object beside the secret.
fn made(answer: &Value) -> Value {
    let inside = || answer.as_object()?.values().find_map(|part| part.get("id"));
    answer.get("id").or_else(inside).cloned().unwrap_or_default()
}

/// Error for a second write that ended the transaction of the first.
fn undone() -> ApiError {
    ApiError::unavailable(
        "database_unavailable",
        "The database's connection was lost; nothing was changed. Try again.",
        "a second write of the request ended its transaction",
    )
}

fn in_progress() -> ApiError {
    ApiError::conflict(
        "idempotency_in_progress",
        "A request with this Idempotency-Key is still being carried out; ask again in a moment.",
    )
    .with_retry_after(Duration::from_secs(1))
}

/// An answer in the form that is sealed: its content type, a line break, its body.
struct Kept<'a> {
    content_type: Option<&'a str>,
    body: &'a [u8],
}

impl<'a> Kept<'a> {
    fn write(&self) -> Vec<u8> {
        [self.content_type.unwrap_or_default().as_bytes(), b"\n", self.body].concat()
    }

    fn read(plain: &'a [u8]) -> Self {
        let end = plain.iter().position(|byte| *byte == b'\n').unwrap_or(plain.len());
        let (head, body) = plain.split_at(end);
        let content_type = std::str::from_utf8(head).ok().filter(|text| !text.is_empty());
        Self { content_type, body: body.get(1..).unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_found_beside_its_secret() {
        assert_eq!(made(&json!({ "id": 7, "secret": "x" })), json!(7));
        assert_eq!(made(&json!({ "secret": "x", "api_key": { "id": 8 } })), json!(8));
        assert_eq!(made(&json!({ "secret": "x" })), Value::Null);
    }

    #[test]
    fn an_answer_is_kept_whole() {
        for (content_type, body) in [(Some("application/json"), &b"{\"a\":\n1}"[..]), (None, b""), (None, b"\n")] {
            let plain = Kept { content_type, body }.write();
            let kept = Kept::read(&plain);
            assert_eq!((kept.content_type, kept.body), (content_type, body));
        }
    }
}
