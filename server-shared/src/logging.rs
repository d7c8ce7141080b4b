//! Structured logs: JSON lines on standard output.
