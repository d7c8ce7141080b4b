//! Typed clients for the RestartiX services, generated from their OpenAPI documents.
//!
//! Each service has a feature and a module: [`core`] (organizations, specialists, patients,
//! appointments, …) and [`telemetry`] (audit, analytics, media sessions, pose frames, consent).
//! Both are made by [`ClientBuilder`], which also holds the settings of every call: credentials,
//! organization, timeout, retries. A method is named like its operation in the specification:
//! `patient_create` there is [`patient_create`](core::Client) here.
//!
//! # First call
//!
//! ```no_run
//! use restartix_sdk::{ClientBuilder, Failure};
//!
//! # async fn first_call(session_token: String) -> Result<(), Box<dyn std::error::Error>> {
//! let core = ClientBuilder::new("http://localhost:9000").token(session_token).core()?;
//!
//! match core.me_get().send().await {
//!     Ok(me) => println!("signed in: {me:?}"),
//!     Err(error) => {
//!         let failure = Failure::read(error).await;
//!         eprintln!("{failure}"); // 401 token_expired: … (request 0198…)
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! Every operation fails with `Error<ErrorEnvelope>`. [`error_code`] borrows the stable code for a
//! `match`; [`Failure::read`] takes the error apart, including the body of an answer that the
//! specification doesn't know.
//!
//! # Telemetry
//!
//! Telemetry takes short-lived tokens that Core issues. [`TelemetryTokens`] fetches and renews
//! them, so an application deals with Core's credentials only.

mod auth;
mod client;
mod failure;
mod retry;
mod support;
#[cfg(all(feature = "core", feature = "telemetry"))]
mod telemetry_tokens;
#[cfg(test)]
mod tests;

// The generated modules follow the generator's style, not this workspace's.
#[cfg(feature = "core")]
#[rustfmt::skip]
#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used, missing_docs, rustdoc::all, unreachable_pub, reason = "generated")]
pub mod core;
#[cfg(feature = "telemetry")]
#[rustfmt::skip]
#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used, missing_docs, rustdoc::all, unreachable_pub, reason = "generated")]
pub mod telemetry;

pub use auth::{AccessToken, TokenError, TokenSource};
pub use client::{BuildError, ClientBuilder};
pub use failure::{Envelope, Failure, error_code};
pub use progenitor_client::{ByteStream, Error, ResponseValue};
pub use retry::Retries;
pub use support::Inner;
#[cfg(all(feature = "core", feature = "telemetry"))]
pub use telemetry_tokens::TelemetryTokens;
