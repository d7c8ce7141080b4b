//! Functions that the generated clients call before and around each request.

use std::sync::Arc;

use progenitor_client::{ClientHooks, ClientInfo, Error, OperationInfo};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Method, Request, Response, StatusCode};
use uuid::Uuid;

use crate::auth::Credential;
use crate::retry::{self, IDEMPOTENCY_KEY, Retries};

const ORGANIZATION: HeaderName = HeaderName::from_static("x-organization-id");

/// The settings a generated client carries: credentials, organization, retries. Made by
/// [`ClientBuilder`](crate::ClientBuilder).
#[derive(Debug, Clone)]
pub struct Inner(Arc<Settings>);

#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) credential: Credential,
    pub(crate) organization: Option<i64>,
    pub(crate) retries: Retries,
    /// `true` if the service recognizes a repeated POST by its `Idempotency-Key` and does not carry it out again.
    pub(crate) remembers_keys: bool,
}

impl Inner {
    pub(crate) fn new(settings: Settings) -> Self {
        Self(Arc::new(settings))
    }

    /// Adds the headers that every request needs, unless the call has set them.
    pub(crate) async fn prepare<E>(&self, request: &mut Request) -> Result<(), Error<E>> {
        if let Some(organization) = self.0.organization {
            request.headers_mut().entry(ORGANIZATION).or_insert_with(|| HeaderValue::from(organization));
        }
        // With a key of its own, a call that may be tried again is carried out once.
        if self.0.remembers_keys && self.0.retries.attempts > 1 && *request.method() == Method::POST {
            let key = || HeaderValue::try_from(Uuid::now_v7().to_string());
            if !request.headers().contains_key(IDEMPOTENCY_KEY)
                && let Ok(key) = key()
            {
                request.headers_mut().insert(IDEMPOTENCY_KEY, key);
            }
        }
        let applied = self.0.credential.apply(request.headers_mut()).await;
        applied.map_err(|fault| Error::Custom(fault.to_string()))
    }

    /// Sends the request, and repeats it if that is safe and may succeed.
    pub(crate) async fn execute(&self, client: &reqwest::Client, request: Request) -> reqwest::Result<Response> {
        let repeat = retry::Repeat::of(&request);
        let mut request = request;
        let mut renewed = false;
        let mut attempt = 1;
        loop {
            // A streamed body can't be sent twice; such a request has one attempt.
            let Some(copy) = request.try_clone() else {
                return client.execute(request).await;
            };
            let outcome = client.execute(copy).await;

            let refused = outcome.as_ref().is_ok_and(|answer| answer.status() == StatusCode::UNAUTHORIZED);
            if refused && !renewed {
                renewed = true;
                // A 401 means nothing was done, so this is safe for every method.
                if let Some(fresh) = self.0.credential.renewed(request.headers()).await {
                    request.headers_mut().insert(AUTHORIZATION, fresh);
                    continue;
                }
            }
            let Some(wait) = self.0.retries.wait_after(attempt, repeat, &outcome) else {
                return outcome;
            };
            drop(outcome);
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }
}

macro_rules! hooks {
    ($feature:literal, $service:ident) => {
        #[cfg(feature = $feature)]
        impl ClientHooks<Inner> for crate::$service::Client {
            async fn pre<E>(&self, request: &mut Request, _operation: &OperationInfo) -> Result<(), Error<E>> {
                self.inner().prepare(request).await
            }

            async fn exec(&self, request: Request, _operation: &OperationInfo) -> reqwest::Result<Response> {
                self.inner().execute(self.client(), request).await
            }
        }
    };
}

hooks!("core", core);
hooks!("telemetry", telemetry);
