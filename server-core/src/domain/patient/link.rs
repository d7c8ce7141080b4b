use super::{error::PatientError, event::PatientEvent};
use crate::{
    domain::link::{LinkError, Linked},
    event::Events,
    ids::PatientId,
};

impl Linked for PatientId {
    type Error = PatientError;
    const TABLE: &'static str = "patients";
    const CHANGED: &'static str = "version = version + 1, updated_at = now()";
    const USER_KEY: &'static str = "patients_user_key";
    const MEMBER_KEY: &'static str = "patients_user_fkey";

    fn unlinked(self) -> Events {
        PatientEvent::Unlinked(self).into()
    }
}

impl From<LinkError> for PatientError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::NotFound => Self::NotFound,
            LinkError::UserTaken => Self::UserTaken,
            LinkError::AlreadyLinked => Self::AlreadyLinked,
            LinkError::HasNoUser => Self::HasNoUser,
        }
    }
}
