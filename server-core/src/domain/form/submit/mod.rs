//! Submissions of forms: everything required is answered, and what nobody sees is dropped.

mod repository;
mod service;
