//! The stores RestartiX needs, started without a container engine: PostgreSQL, Valkey and ClickHouse from three
//! hash-pinned wheels, S3 and the local issuer from `xtask-dev-services`.
//!
//! Each store is a module by its noun; each gives a [`process::Child`] that ends with its owner.

pub(crate) mod account;
pub(crate) mod fetch;
pub(crate) mod paths;
pub(crate) mod pins;
pub(crate) mod ports;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod wait;
