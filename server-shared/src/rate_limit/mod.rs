//! How often a caller may ask.
//!
//! The algorithm is GCRA ([`Policy`]): a caller may spend its whole budget at once and gets it back
//! evenly. What a caller has spent is counted in process and shared through Redis, so that the
//! processes of a service have one budget together and none of them waits for Redis on a hot path:
//!
//! - A request is decided here, without I/O, while more than a tenth of the budget is left and what is
//!   known of the other processes is less than a second old. Redis is told within 20 ms, many callers in
//!   one message, and answers with what everybody has spent.
//! - In the last tenth (or the last ten requests), and for callers not seen for a second, Redis is asked
//!   first: one script, one round trip.
//! - What is known here never exceeds what is true, so a refusal needs nobody's word.
//! - When Redis doesn't answer within 200 ms, it is left alone for two seconds. Everything is decided by
//!   what this process has counted and learnt until then, so a budget that was spent stays spent.

mod bucket;
mod gcra;
mod limiter;
mod shared;

pub use gcra::{Policy, Verdict};
pub use limiter::{Limiter, Who};
