//! What the matrices of both services are made of: every operation of a specification, tried by
//! everybody, held against a committed grid and against what the stores hold.

mod checksums;
mod grid;
mod operation;
mod rows;

pub use checksums::{Checksums, Contents, LeftOut};
pub use grid::Grid;
pub use operation::{Fixture, Location, Operation, Parameter};
pub use rows::{RowAsker, RowRights};
