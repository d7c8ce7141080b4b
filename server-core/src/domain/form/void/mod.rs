//! Forms that don't count any more. A signed form stays as it was signed: that it is void is written beside it.

mod repository;
mod service;
