//! Clients of external services.

pub(crate) mod clerk;
pub(crate) mod daily;
pub(crate) mod redis;
pub(crate) mod s3;
