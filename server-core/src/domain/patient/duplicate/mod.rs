//! Hints that a new patient may be one whom the organization has already.

mod model;
mod repository;

pub(crate) use model::PossibleDuplicate;
pub(super) use repository::{Alike, duplicates};
