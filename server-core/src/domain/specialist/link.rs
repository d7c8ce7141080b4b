use super::{error::SpecialistError, event::SpecialistEvent};
use crate::{
    domain::link::{LinkError, Linked},
    event::Events,
    ids::SpecialistId,
};

impl Linked for SpecialistId {
    type Error = SpecialistError;
    const TABLE: &'static str = "specialists";
    const CHANGED: &'static str = "updated_at = now()";
    const USER_KEY: &'static str = "specialists_user_key";
    const MEMBER_KEY: &'static str = "specialists_user_fkey";

    fn unlinked(self) -> Events {
        SpecialistEvent::Unlinked(self).into()
    }
}

impl From<LinkError> for SpecialistError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::NotFound => Self::NotFound,
            LinkError::UserTaken => Self::UserTaken,
            LinkError::AlreadyLinked => Self::AlreadyLinked,
            LinkError::HasNoUser => Self::HasNoUser,
        }
    }
}
