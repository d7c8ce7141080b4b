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
            "No member of the organization, present or past, has this id; invite an e-mail address instead.",
        RoleConflict => Conflict "member_role_conflict"
            "The person is a member in another role; change the role first, for a record belongs to its role.",
    }
    and those of {
        Member(#[from] MemberError),
        Patient(#[from] PatientError),
        Specialist(#[from] SpecialistError),
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
