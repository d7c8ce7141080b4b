//! Answers, looked at with their status and code.

use std::{fmt::Debug, panic::Location, time::Duration};

use reqwest::{RequestBuilder, StatusCode, header::HeaderMap};
use restartix_sdk::{Envelope, Error, ResponseValue};
use serde_json::Value;

/// A client for requests that the SDKs can't make.
pub(crate) fn http() -> reqwest::Client {
    // Another one may be installed already, by an SDK client for example; any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(Duration::from_mins(1))
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("an HTTP client can be made")
}

/// Returns the value of an answer; panics unless the operation succeeded with exactly this status.
#[track_caller]
pub fn granted<T, E: Debug>(answer: Result<ResponseValue<T>, Error<E>>, status: u16) -> T {
    match answer {
        Ok(value) => {
            assert_eq!(value.status().as_u16(), status, "succeeded, but with another status");
            value.into_inner()
        }
        Err(error) => panic!("{status} expected, got {error:?}"),
    }
}

/// An error envelope that came with the status and code that were expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The code.
    pub code: String,
    /// The sentence for people.
    pub message: String,
    /// Facts about the fault.
    pub details: Value,
    /// The id in the envelope.
    pub request_id: String,
    /// The headers.
    pub headers: HeaderMap,
}

impl Refusal {
    /// `details.fields` as (pointer, rule) pairs, sorted.
    pub fn fields(&self) -> Vec<(&str, &str)> {
        let fields = self.details["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut pairs: Vec<(&str, &str)> = fields
            .iter()
            .map(|field| {
                let part = |name: &str| field[name].as_str().expect("a field fault has pointer and rule");
                (part("pointer"), part("rule"))
            })
            .collect();
        pairs.sort_unstable();
        pairs
    }

    /// A header, as text; empty when it isn't there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// The envelope of a refused operation; panics unless it has exactly this status and code.
#[track_caller]
pub fn refused<T, E: Envelope + Debug>(answer: Result<ResponseValue<T>, Error<E>>, status: u16, code: &str) -> Refusal {
    match answer {
        Err(Error::ErrorResponse(response)) => {
            let refusal = Refusal {
                status: response.status().as_u16(),
                code: response.code().to_owned(),
                message: response.message().to_owned(),
                details: response.details().cloned().unwrap_or_default(),
                request_id: response.request_id().to_owned(),
                headers: response.headers().clone(),
            };
            assert_eq!((refusal.status, refusal.code.as_str()), (status, code), "{refusal:?}");
            refusal
        }
        Err(error) => panic!("{status} {code} expected, got no envelope: {error:?}"),
        Ok(answer) => panic!("{status} {code} expected, got {}", answer.status()),
    }
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Answer {
    /// Sends a request; panics when there is no answer.
    #[track_caller]
    pub fn to(request: RequestBuilder) -> impl Future<Output = Self> {
        let asked = Location::caller();
        async move {
            let response = request.send().await.unwrap_or_else(|error| panic!("{asked}: no answer: {error:?}"));
            let (status, headers) = (response.status(), response.headers().clone());
            let body = response.text().await.unwrap_or_else(|error| panic!("{asked}: half an answer: {error:?}"));
            Self { status, headers, body }
        }
    }

    /// A header, as text; empty when it isn't there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON; panics unless the status is exactly this.
    #[track_caller]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.body))
    }

    /// The envelope; panics unless it has exactly this status and code, the content type of JSON, and
    /// the id that the header has.
    #[track_caller]
    pub fn refusal(&self, status: u16, code: &str) -> Refusal {
        let body = self.json(status);
        let text = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
        let refusal = Refusal {
            status: self.status.as_u16(),
            code: text("code"),
            message: text("message"),
            details: body["error"]["details"].clone(),
            request_id: text("request_id"),
            headers: self.headers.clone(),
        };
        assert_eq!(refusal.code, code, "{}", self.body);
        assert!(!refusal.message.is_empty(), "an envelope speaks to people too: {}", self.body);
        assert_eq!(refusal.request_id, self.header("x-request-id"), "the envelope and the header name one request");
        assert!(self.header("content-type").starts_with("application/json"), "{:?}", self.headers);
        refusal
    }
}
