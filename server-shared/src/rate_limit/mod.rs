//! Limits on the number of requests of a caller in a period.
//!
//! The algorithm is GCRA ([`Policy`]): a caller may spend its whole budget at once and gets it back
//! evenly. Each process counts the requests of a caller and shares the count through Redis, so that the
//! processes of a service have one budget together and do not wait for Redis on a hot path:
//!
//! - A process decides by itself, without I/O, while more than a tenth of the budget is left and its count of the
//!   other processes is less than a second old. It reports to Redis within 20 ms, many callers in one message, and
//!   the answer is the debt of all processes.
//! - In the last tenth (or the last ten requests), and for callers not seen for a second, it asks Redis first: one
//!   script, one round trip.
//! - The debt known to a process never exceeds the real one, so it can refuse without asking Redis.
//! - A process that gets no answer from Redis within 200 ms does not ask it for two seconds. Until then it decides by
//!   its own counts, so a spent budget stays spent.

mod bucket;
mod gcra;
mod limiter;
mod shared;

pub use gcra::{Policy, Verdict};
pub use limiter::{Limiter, Who};
