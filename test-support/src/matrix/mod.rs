//! What the matrices of both services are made of: every operation of a specification, tried by
//! everybody, held against a committed grid and against what the stores hold.

mod amplification;
mod checksums;
mod grid;
mod hostile;
mod memory;
mod operation;
mod repeated;
mod rows;
mod spelling;

pub use amplification::assert_bounded;
pub use checksums::{Checksums, Contents, LeftOut};
pub use grid::Grid;
pub use hostile::Hostile;
pub use memory::Memory;
pub use operation::{Fixture, Location, Operation, Parameter};
pub use repeated::assert_repeats_refused;
pub use rows::{RowAsker, RowRights};
pub use spelling::Misspelling;
