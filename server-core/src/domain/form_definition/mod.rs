//! Engine of forms: definitions of forms, their conditions and scores, and the answers to them.
//!
//! [`Compiled::build`] checks a definition once and refuses all its faults together; [`Compiled::read`] checks answers,
//! [`Compiled::patch`] merges a partial save into those that are stored, [`Compiled::fits`] moves them to another
//! version, and [`Compiled::evaluate`] works out what they make visible, required and scored. Nothing here knows a
//! table, an operation or the time, and no condition or score is text that has to be parsed: their work is bounded by
//! the size of definition and answers ([decision 52](../../../../docs/decisions/0052-form-definitions.md)).

mod answers;
mod cells;
mod change;
mod compile;
mod condition;
mod evaluate;
mod fit;
mod hash;
mod item;
mod library;
mod localize;
mod model;
mod patch;
mod score;
mod signer;
mod submit;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    change::{FormChange, changes},
    compile::Compiled,
    evaluate::{FormEvaluation, FormScoreResult},
    hash::content_hash,
    item::{FormPrefill, PatientAttribute, PinnedField},
    library::FieldLibrary,
    model::FormDefinition,
    patch::PatchedPlace,
    signer::{FormSigner, SignerRole, SigningMeaning},
    submit::{OpenAnswer, OpenValue},
};
