//! Events of forms.

use crate::{event::Event, ids::FormId};

/// Event of a form.
#[derive(Debug, Clone)]
pub(crate) enum FormEvent {
    /// The form was created.
    Created(FormId),
    /// Answers were saved, or the language was changed; with the names of what changed, groups instead of the places
    /// in them.
    Saved(FormId, Vec<String>),
    /// The form was submitted.
    Submitted(FormId),
    /// The form became a draft again, because answers were saved after the submission.
    Reopened(FormId),
    /// The form was moved to another version of its template.
    Migrated(FormId),
    /// A signature was added.
    SignatureAdded(FormId),
    /// The last signature was added.
    Signed(FormId),
    /// The form became void.
    Voided(FormId),
    /// A form that corrects this one was created.
    Amended(FormId),
    /// The draft was deleted.
    Deleted(FormId),
    /// The time until which the form should have been submitted has passed.
    Overdue(FormId),
}

impl Event for FormEvent {
    type Of = FormId;

    fn of(&self) -> FormId {
        match self {
            Self::Created(id)
            | Self::Saved(id, _)
            | Self::Submitted(id)
            | Self::Reopened(id)
            | Self::Migrated(id)
            | Self::SignatureAdded(id)
            | Self::Signed(id)
            | Self::Voided(id)
            | Self::Amended(id)
            | Self::Deleted(id)
            | Self::Overdue(id) => *id,
        }
    }

    fn verb(&self) -> &'static str {
        match self {
            Self::Created(_) => "created",
            Self::Saved(..) => "saved",
            Self::Submitted(_) => "submitted",
            Self::Reopened(_) => "reopened",
            Self::Migrated(_) => "migrated",
            Self::SignatureAdded(_) => "signature_added",
            Self::Signed(_) => "signed",
            Self::Voided(_) => "voided",
            Self::Amended(_) => "amended",
            Self::Deleted(_) => "deleted",
            Self::Overdue(_) => "overdue",
        }
    }

    fn changed_keys(&self) -> Vec<String> {
        match self {
            Self::Saved(_, keys) => keys.clone(),
            _ => Vec::new(),
        }
    }
}
