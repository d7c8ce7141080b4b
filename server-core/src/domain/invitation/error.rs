use server_shared::errors;

use crate::{
    database::DatabaseError,
    domain::{member::MemberError, patient::PatientError, rules::InvalidValue, specialist::SpecialistError},
};

errors! {
    /// Errors of invitations.
    pub(crate) enum InvitationError {
        NotFound => NotFound "invitation_not_found" "There is no such invitation, or it is no longer open.",
        UserNotFound => NotFound "user_not_found"
            "No present or former member of the organization has this id; invite an e-mail address instead.",
        RoleConflict => Conflict "member_role_conflict"
            "The person is a member with another role, which does not fit the record; change the role first.",
    }
    and those of {
        Member(#[from] MemberError),
        Patient(#[from] PatientError),
        Specialist(#[from] SpecialistError),
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
