//! Exports of tables as CSV: of patients, appointments, forms of one template, members of a segment, and the audit
//! trail.
//!
//! A table is read in one snapshot, a few hundred rows at a time, and either sent while it is read or written into a
//! file in S3 by a job. Domains make the tables ([`Tabular`](crate::database::Tabular)); this one knows the request
//! ([`source`]), moves the rows ([`rows`]), and records what was asked for and what came of it
//! ([decision 58](../../../../docs/decisions/0058-csv-exports.md)).
//!
//! Another entity takes a variant of `ExportEntity` with its line in the CHECK of `exports.entity`, a member of
//! `CsvExportInput`, and a branch in each function of [`source`].

mod api;
mod audit;
mod error;
mod event;
mod holdings;
mod input;
mod job;
mod model;
mod places;
mod repository;
mod rows;
mod sending;
mod service;
mod source;
mod sweep;

pub(crate) use api::Api;
pub(crate) use holdings::HOLDINGS;
pub(crate) use job::FileMaker;
pub(crate) use model::files_prefix;
pub(crate) use service::{Service, files_withdraw};
pub(crate) use sweep::exports_sweep;
