//! Core's way to services that are not its own.

pub(crate) mod clerk;
pub(crate) mod daily;
pub(crate) mod redis;
pub(crate) mod s3;
