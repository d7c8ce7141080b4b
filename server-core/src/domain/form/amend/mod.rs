//! Amendments: new forms that begin with the answers of a signed one, which stays as it is, and take its place.

mod repository;
mod service;
