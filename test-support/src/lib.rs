//! Support for tests of the services: real servers, each with stores of its own.
//!
//! `cargo xtask test` starts PostgreSQL, Valkey, ClickHouse and S3 once and says where in the file
//! that `RESTARTIX_TEST_STACK` names. Each test takes from them what nobody else has: databases
//! cloned from a migrated template, a ClickHouse database, a Redis database, a bucket; and starts
//! the very binaries that run in production. All of it goes away when the test ends; what a failed
//! test leaves behind is its logs, and where they are is printed.
//!
//! ```no_run
//! # async fn test() {
//! use test_support::{CoreApp, granted, refused};
//!
//! let app = CoreApp::start().await;
//! let me = granted(app.admin().me_get().send().await, 200);
//! assert_eq!(me.organization_id, Some(app.home().id));
//! refused(app.staff().organization_get().organization_id(app.away().id).send().await, 404, "organization_not_found");
//! # }
//! ```
//!
//! Nothing sleeps but [`eventually`], which polls a condition up to a deadline.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "test code: a panic with a clear message is how a test fails"
)]

mod actor;
mod answer;
mod clerk;
mod clerk_api;
mod clickhouse;
mod clinic;
mod core_app;
mod core_search;
mod daily_api;
mod eventually;
mod fixtures;
mod icalendar;
mod matrix;
mod postgres;
mod program;
mod proxy;
mod sandbox;
mod scheduling;
mod search;
mod seed;
mod server;
mod socket;
mod stack;
mod statements;
mod storage;
mod telemetry_app;
mod throwaway;
mod tokens;

pub use actor::Actor;
pub use answer::{Answer, Refusal, granted, refused};
pub use clerk::{Clerk, ClerkEvent, ClerkMessage};
pub use clerk_api::ClerkApi;
pub use clickhouse::ClickHouseDatabase;
pub use clinic::Clinic;
pub use core_app::{CoreApp, CoreBuilder};
pub use daily_api::DailyApi;
pub use eventually::{eventually, until};
pub use fixtures::in_days;
pub use icalendar::{Icalendar, IcalendarEvent, Occurrence, occurrences};
pub use matrix::{
    Checksums, Contents, Fixture, Grid, Hostile, LeftOut, Location, Memory, Misspelling, Operation, Parameter,
    RowAsker, RowRights, assert_bounded, assert_repeats_refused, moment_pairs,
};
pub use postgres::{Database, Kind};
pub use program::Program;
pub use proxy::{Conversation, Proxy, Statement, Trip};
pub use scheduling::Template;
pub use search::Place;
pub use seed::{Organization, Person, Role};
pub use server::Server;
pub use socket::{CROWDED, Kept, crowds_are_closed};
pub use stack::Stack;
pub use statements::{Statements, Work};
pub use telemetry_app::{TelemetryApp, TelemetryBuilder, TelemetryPerson};
pub use throwaway::Throwaway;
pub use tokens::{Issuer, SessionClaims};
pub use xtask_daily::Failure as DailyFailure;
