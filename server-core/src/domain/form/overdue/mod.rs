//! Periodic job that finds forms whose time has passed. Nothing depends on it but `overdue_at` and the event.

mod job;
mod repository;

pub(crate) use job::forms_overdue;
