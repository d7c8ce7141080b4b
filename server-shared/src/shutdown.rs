//! Stopping in order: requests first, then background jobs.
