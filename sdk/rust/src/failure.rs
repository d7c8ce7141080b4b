//! Errors for people and for `match`.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use progenitor_client::Error;
use reqwest::StatusCode;
use serde_json::Value;

use crate::retry;

/// The error body that both services answer with.
pub trait Envelope {
    /// Returns the stable name of the fault.
    fn code(&self) -> &str;
    /// Returns one sentence for a person.
    fn message(&self) -> &str;
    /// Returns facts about the fault, which depend on the code.
    fn details(&self) -> Option<&Value>;
    /// Returns the id to quote to support.
    fn request_id(&self) -> &str;
}

macro_rules! envelope {
    ($feature:literal, $service:ident) => {
        #[cfg(feature = $feature)]
        impl Envelope for crate::$service::types::ErrorEnvelope {
            fn code(&self) -> &str {
                &self.error.code
            }

            fn message(&self) -> &str {
                &self.error.message
            }

            fn details(&self) -> Option<&Value> {
                self.error.details.as_ref()
            }

            fn request_id(&self) -> &str {
                &self.error.request_id
            }
        }
    };
}

envelope!("core", core);
envelope!("telemetry", telemetry);

/// Returns the stable code of the service's answer, if there was an answer.
///
/// ```
/// # use restartix_sdk::{Envelope, Error, error_code};
/// fn is_double_booking<E: Envelope>(error: &Error<E>) -> bool {
///     error_code(error) == Some("slot_taken")
/// }
/// ```
pub fn error_code<E: Envelope>(error: &Error<E>) -> Option<&str> {
    match error {
        Error::ErrorResponse(answer) => Some(answer.code()),
        _ => None,
    }
}

/// A failed call: the error that the service answered, or the reason why there is no answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The answer's status, if there was an answer.
    pub status: Option<StatusCode>,
    /// Stable name of the fault, if the answer was the services' error envelope.
    pub code: Option<String>,
    /// One sentence for a person.
    pub message: String,
    /// Facts about the fault, which depend on the code.
    pub details: Option<Value>,
    /// The id to quote to support.
    pub request_id: Option<String>,
    /// Time to wait before the next attempt, if the service names one.
    pub retry_after: Option<Duration>,
    /// Body of an answer that differs from the specification.
    pub body: Option<Bytes>,
}

impl Failure {
    /// Takes an error apart, and reads the body of an unexpected answer to its end.
    pub async fn read<E: Envelope>(error: Error<E>) -> Self {
        match error {
            Error::ErrorResponse(answer) => Self {
                status: Some(answer.status()),
                code: Some(answer.code().to_owned()),
                message: answer.message().to_owned(),
                details: answer.details().cloned(),
                request_id: Some(answer.request_id().to_owned()),
                retry_after: retry::retry_after(answer.headers()),
                body: None,
            },
            Error::UnexpectedResponse(response) => {
                let status = response.status();
                let headers = response.headers().clone();
                let request_id = headers.get("x-request-id").and_then(|id| id.to_str().ok());
                Self {
                    status: Some(status),
                    retry_after: retry::retry_after(&headers),
                    request_id: request_id.map(str::to_owned),
                    body: response.bytes().await.ok(),
                    ..Self::without_answer(format!("the specification does not know this {status}"))
                }
            }
            Error::InvalidResponsePayload(body, fault) => Self {
                body: Some(body),
                ..Self::without_answer(format!("the answer does not match the specification: {fault}"))
            },
            Error::CommunicationError(fault) | Error::ResponseBodyError(fault) | Error::InvalidUpgrade(fault) => {
                Self { status: fault.status(), ..Self::without_answer(chain(&fault)) }
            }
            Error::InvalidRequest(reason) | Error::Custom(reason) => Self::without_answer(reason),
        }
    }

    fn without_answer(message: String) -> Self {
        Self { status: None, code: None, message, details: None, request_id: None, retry_after: None, body: None }
    }
}

/// Writes an error with its causes; reqwest has the essential one ("connection refused") last.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(status) = self.status {
            write!(f, "{} ", status.as_u16())?;
        }
        if let Some(code) = &self.code {
            write!(f, "{code}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(body) = &self.body {
            write!(f, ": {}", String::from_utf8_lossy(body))?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
