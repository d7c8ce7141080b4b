//! Tests of the running service, one file a noun. One program, for it links once; nextest runs each
//! test in a process of its own all the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "test code")]

mod api_key;
mod appointment;
mod appointment_race;
mod appointment_template;
mod attempt;
mod audit;
mod audit_forward;
mod availability;
mod book;
mod booking_race;
mod calendar;
mod calendar_feed;
mod clerk;
mod configuration;
mod cors;
mod frame;
mod gdpr;
mod hold;
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
mod reschedule;
mod rls_attack;
mod rls_catalogue;
mod rotation;
mod round_trip;
mod schedule;
mod shutdown;
mod specialist;
mod specialty;
mod token;
mod transition;
mod user;
mod wrong_input;
