//! Answers and scores of submitted forms that are no protected health information, typed and in the clear, for
//! segments. They repeat what the form holds.

mod repository;
mod row;

pub(super) use repository::answers_delete;
pub(super) use row::answer_rows;
