//! Work that outlives its request: one runner for all of it, in every process.
//!
//! Work is committed with the change that wants it ([`crate::database::WriteTx::commit`]); a [`Handler`] does it,
//! chosen by the work's kind in `app.rs`. Housekeeping that comes back by itself is a job as well
//! ([`Runner::every`]). Each kind has a lane of its own, and in a lane organizations take turns ([`Work::WIDTH`]).
//!
//! A handler runs at least once, unless another one does the work as well ([`Attempt::absorb`]): its process may be
//! killed at any moment, and another one begins again. So each of its steps must be harmless when repeated, or be
//! recorded in the transaction that does it ([`Attempt::record`]).

mod handler;
mod holdings;
mod lanes;
mod model;
mod repository;
mod runner;

pub(crate) use handler::{Attempt, Handler, JobError, Outcome, Work};
pub(crate) use holdings::HOLDINGS;
pub(crate) use model::{Job, JobState, NewJob};
pub(crate) use repository::{job_latest, jobs_enqueue};
pub(crate) use runner::Runner;
