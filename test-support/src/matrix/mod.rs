//! Support for the matrices of both services: every kind of caller sends every operation of a specification;
//! the results are compared with a committed grid and with the content of the stores.

mod amplification;
mod checksums;
mod grid;
mod hostile;
mod memory;
mod moments;
mod operation;
mod repeated;
mod rows;
mod spelling;

pub use amplification::assert_bounded;
pub use checksums::{Checksums, Contents, LeftOut};
pub use grid::Grid;
pub use hostile::Hostile;
pub use memory::Memory;
pub use moments::moment_pairs;
pub use operation::{Fixture, Location, Operation, Parameter};
pub use repeated::assert_repeats_refused;
pub use rows::{RowAsker, RowRights};
pub use spelling::Misspelling;
