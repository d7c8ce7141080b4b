//! Role of a person in an organization, together with the record of the role.

use super::Role;
use crate::ids::{PatientId, SpecialistId};

/// Role of a person in the organization of a request, with the record that it was given for. Both are always carried
/// together, so neither can outlive a change of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capacity {
    /// Operates the platform, above organizations.
    Superadmin,
    /// Administers a clinic.
    Admin,
    /// Treats patients; `None` if there is no record yet.
    Specialist(Option<SpecialistId>),
    /// Works at the front desk.
    Staff,
    /// Receives treatment; `None` if there is no record yet.
    Patient(Option<PatientId>),
}

impl Capacity {
    /// Returns the capacity of a member: its role, with that one of the user's linked records that belongs to the role.
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

    /// Returns the role.
    pub(crate) fn role(self) -> Role {
        match self {
            Self::Superadmin => Role::Superadmin,
            Self::Admin => Role::Admin,
            Self::Specialist(_) => Role::Specialist,
            Self::Staff => Role::Staff,
            Self::Patient(_) => Role::Patient,
        }
    }

    /// Returns the patient record of a patient.
    pub(crate) fn patient_id(self) -> Option<PatientId> {
        if let Self::Patient(record) = self { record } else { None }
    }

    /// Returns the specialist record of a specialist.
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
