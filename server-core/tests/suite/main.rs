//! Tests of the running service, one file a noun. One program, for it links once; nextest runs each
//! test in a process of its own all the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "test code")]

mod api_key;
mod appointment;
mod appointment_race;
mod attempt;
mod audit;
mod audit_forward;
mod clerk;
mod configuration;
mod cors;
mod frame;
mod gdpr;
mod idempotency;
mod identity;
mod impersonation;
mod jobs;
mod leak;
mod matrix;
mod member;
mod organization;
mod outage;
mod patient;
mod patient_search;
mod plan;
mod rate_limit;
mod rls_attack;
mod rls_catalogue;
mod rotation;
mod round_trip;
mod shutdown;
mod specialist;
mod specialty;
mod token;
mod user;
mod video;
mod wrong_input;
