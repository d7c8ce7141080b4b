//! Tests of the engine against a slow and simple implementation, and against its properties.

mod examples;
mod oracle;
mod properties;
mod world;
