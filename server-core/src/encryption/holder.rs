//! Rows that hold data keys.

use std::fmt;

use server_shared::crypto::Binding;
use uuid::Uuid;

use super::{
    NO_ORGANIZATION,
    wrapped::{ANSWER_KEYS, DATA_KEYS, INVITATION_KEYS, USER_KEYS, WrappedColumn},
};
use crate::ids::OrganizationId;

/// Row that holds a data key. When the key is deleted, the values sealed under it can't be opened any more.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holder {
    /// The row `id` of `data_keys`: the key of a patient or of an organization. Rows of other domains that belong to a
    /// patient are sealed under the patient's key.
    Record { organization: OrganizationId, id: Uuid },
    /// The user `uid`; the key belongs to no organization.
    User { uid: Uuid },
    /// The invitation `uid`; the key is deleted with its row.
    Invitation { organization: OrganizationId, uid: Uuid },
    /// The answer `id` that is kept for repeated requests.
    Answer { organization: OrganizationId, id: Uuid },
}

impl Holder {
    pub(super) fn organization(self) -> OrganizationId {
        match self {
            Self::Record { organization, .. }
            | Self::Invitation { organization, .. }
            | Self::Answer { organization, .. } => organization,
            Self::User { .. } => NO_ORGANIZATION,
        }
    }

    pub(super) fn id(self) -> Uuid {
        match self {
            Self::Record { id, .. } | Self::Answer { id, .. } => id,
            Self::User { uid } | Self::Invitation { uid, .. } => uid,
        }
    }

    /// Returns the place that the wrapped key is bound to; `row` is the holder's id as text.
    pub(super) fn binding(self, row: &str) -> Binding<'_> {
        self.column().binding(self.organization().0, row)
    }

    fn column(self) -> &'static WrappedColumn {
        match self {
            Self::Record { .. } => &DATA_KEYS,
            Self::User { .. } => &USER_KEYS,
            Self::Invitation { .. } => &INVITATION_KEYS,
            Self::Answer { .. } => &ANSWER_KEYS,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.column().table, self.id())
    }
}
