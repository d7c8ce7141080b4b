//! The arithmetic against a slow and simple one, and against what it promises.

mod examples;
mod oracle;
mod properties;
mod world;
