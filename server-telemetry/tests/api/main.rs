//! Telemetry API from the outside: the real binary on real stores, through the SDK.
#![allow(clippy::expect_used, clippy::panic, reason = "a panic with a clear message is how a test fails")]

mod access;
mod amplification;
mod analytics;
mod audit;
mod chain;
mod connection;
mod durability;
mod erasure;
mod exclusion;
mod gate;
mod headers;
mod heads;
mod matrix;
mod media;
mod moments;
mod planted;
mod pose;
mod privacy;
mod registry;
mod repeated;
mod rls_grid;
mod security;
mod storage;
mod subject;
mod support;
