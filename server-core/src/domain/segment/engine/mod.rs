//! Engine of segments: rules, their check, and the statement that finds the patients for whom a rule is true.
//!
//! [`Compiled::check`] resolves every name in a rule and gives every operand its type, or returns all faults together.
//! [`Compiled::judged`] writes the one statement that decides about all patients, and [`Compiled::truths`] the one that
//! decides about each condition for a single patient. Nothing here reads a table or the clock: what a rule may name,
//! and the present moment, are given as [`Known`] ([decision 57](../../../../../docs/decisions/0057-segments.md)).

mod check;
mod day;
mod kind;
mod known;
mod leaf;
mod refer;
mod rule;
mod statement;
mod subject;
mod test;
#[cfg(test)]
mod tests;
mod tree;

pub(super) use self::{
    known::{Known, KnownField, KnownForm, KnownItem, KnownSegment, Shape},
    leaf::Source,
    refer::{FormKey, Referred},
    rule::SegmentRule,
    statement::Statement,
    tree::{Compiled, Explained},
};
