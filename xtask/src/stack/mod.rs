//! The stores of RestartiX, started without a container engine: PostgreSQL, Valkey and ClickHouse from three
//! hash-pinned wheels, S3 and the local issuer from `xtask-dev-services`.
//!
//! Each store is a module by its noun; each gives a [`process::Child`] that ends with its owner.

pub(crate) mod account;
pub(crate) mod clickhouse;
pub(crate) mod compose;
pub(crate) mod environment;
pub(crate) mod fetch;
pub(crate) mod house;
pub(crate) mod keys;
pub(crate) mod overrides;
pub(crate) mod paths;
pub(crate) mod pins;
pub(crate) mod ports;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod record;
pub(crate) mod seed;
pub(crate) mod servers;
pub(crate) mod services;
pub(crate) mod stack_file;
pub(crate) mod stores;
pub(crate) mod supervisor;
pub(crate) mod tokens;
pub(crate) mod valkey;
pub(crate) mod wait;
