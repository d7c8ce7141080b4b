use server_shared::errors;

use crate::{
    database::DatabaseError,
    domain::{
        patient::PatientError,
        rules::{InvalidValue, StaleVersion},
    },
};

errors! {
    /// Errors of segments.
    pub(crate) enum SegmentError {
        NotFound => NotFound "segment_not_found" "There is no such segment.",
        NameTaken => Conflict "segment_name_taken" "Another segment has this name.",
        InUse => Conflict "segment_in_use"
            "The rule of another segment reads the members of this one; change that rule first.",
        TooMany => Conflict "too_many_segments" "The clinic has 200 segments; delete some first.",
        TooSlow => Invalid "segment_too_slow"
            "Finding the patients takes longer than 25 seconds; use fewer or simpler conditions.",
        Unevaluable => Conflict "segment_invalid"
            "The rule of the segment can't be evaluated; see the segment's faults.",
    }
    and those of {
        Stale(#[from] StaleVersion),
        Invalid(#[from] InvalidValue),
        Patient(#[from] PatientError),
        Database(#[from] DatabaseError),
    }
}
