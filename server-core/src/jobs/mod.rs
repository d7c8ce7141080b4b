//! Background jobs: work that outlives its request, done by one runner in every process.
//!
//! A job is committed with the change that needs it ([`crate::database::WriteTx::commit`]); a [`Handler`], registered
//! in `app/domains.rs` for the kind of work, does it. Periodic housekeeping is a job as well ([`Runner::every`]). Each
//! kind has a lane of its own, and within a lane organizations take turns ([`Work::WIDTH`]).
//!
//! A handler runs at least once, unless another run does the work as well ([`JobRun::absorb`]). Its process may be
//! killed at any moment, and another one begins again; so each step must be harmless when repeated, or be recorded in
//! the transaction that does it ([`JobRun::record`]).

mod handler;
mod holdings;
mod lanes;
mod model;
mod repository;
mod runner;

pub(crate) use handler::{Handler, JobError, JobRun, Outcome, Work};
pub(crate) use holdings::HOLDINGS;
pub(crate) use model::{Job, JobState, NewJob};
pub(crate) use repository::{job_latest, jobs_enqueue};
pub(crate) use runner::Runner;
