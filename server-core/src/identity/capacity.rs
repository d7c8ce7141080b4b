//! Role of a person in an organization, together with the record that belongs to the role.

use super::Role;
use crate::ids::{PatientId, SpecialistId};

/// Role of a person in the organization of a request. The record belongs to the role that it was given for: neither
/// is carried without the other, so none outlives a change of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capacity {
    /// Runs the platform; above organizations.
    Superadmin,
    /// Runs a clinic.
    Admin,
    /// Treats patients; `None` before there is a record.
    Specialist(Option<SpecialistId>),
    /// Front desk.
    Staff,
    /// Is treated; `None` before there is a record.
    Patient(Option<PatientId>),
}

impl Capacity {
    /// The capacity of a member: of the records that the user is linked to, the one of its role.
    pub(crate) fn of_membership(
        role: &str,
        patient: Option<PatientId>,
        specialist: Option<SpecialistId>,
    ) -> Option<Self> {
        Some(match Role::of_membership(role)? {
            Role::Superadmin => return None,
            Role::Admin => Self::Admin,
            Role::Specialist => Self::Specialist(specialist),
            Role::Staff => Self::Staff,
            Role::Patient => Self::Patient(patient),
        })
    }

    /// The role.
    pub(crate) fn role(self) -> Role {
        match self {
            Self::Superadmin => Role::Superadmin,
            Self::Admin => Role::Admin,
            Self::Specialist(_) => Role::Specialist,
            Self::Staff => Role::Staff,
            Self::Patient(_) => Role::Patient,
        }
    }

    /// The patient record of a patient.
    pub(crate) fn patient_id(self) -> Option<PatientId> {
        if let Self::Patient(record) = self { record } else { None }
    }

    /// The specialist record of a specialist.
    pub(crate) fn specialist_id(self) -> Option<SpecialistId> {
        if let Self::Specialist(record) = self { record } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_had_in_its_own_role_alone() {
        let of = |role| Capacity::of_membership(role, Some(PatientId(1)), Some(SpecialistId(2)));
        let records = |role| of(role).map(|capacity| (capacity.patient_id(), capacity.specialist_id()));
        assert_eq!(records("patient"), Some((Some(PatientId(1)), None)));
        assert_eq!(records("specialist"), Some((None, Some(SpecialistId(2)))));
        assert_eq!([records("admin"), records("staff")], [Some((None, None)); 2]);
        assert_eq!([of("superadmin"), of("")], [None; 2], "no membership makes anybody that");
    }
}
