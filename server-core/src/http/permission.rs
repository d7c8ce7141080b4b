//! Who may do what: the whole policy on one page. What is not listed is denied.

use poem_openapi::Enum;

/// What a caller is in the organization of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Runs the platform; above organizations.
    Superadmin,
    /// Runs a clinic.
    Admin,
    /// Treats patients.
    Specialist,
    /// Front desk.
    Staff,
    /// Is treated.
    Patient,
}

impl Role {
    /// As the database and the tokens write it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Superadmin => "superadmin",
            Self::Admin => "admin",
            Self::Specialist => "specialist",
            Self::Staff => "staff",
            Self::Patient => "patient",
        }
    }

    /// A role that a membership can have.
    pub(crate) fn of_membership(text: &str) -> Option<Self> {
        [Self::Admin, Self::Specialist, Self::Staff, Self::Patient].into_iter().find(|role| role.as_str() == text)
    }
}

use Role::{Admin, Patient, Specialist, Staff};

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident: [$($role:ident),*];)*) => {
        /// Something a caller may or may not do. Which rows it may do it to is row-level security's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
        #[oai(rename_all = "snake_case")]
        pub(crate) enum Permission {
            $($(#[$doc])* $name,)*
        }

        impl Permission {
            /// Every permission, in the order of the table.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The roles of an organization that have it; a superadmin has every one.
            fn roles(self) -> &'static [Role] {
                match self {
                    $(Self::$name => &[$($role),*],)*
                }
            }
        }
    };
}

permissions! {
    /// Create organizations.
    OrganizationCreate: [];
    /// See one's own organization.
    OrganizationRead: [Admin, Specialist, Staff, Patient];
    /// Change one's own organization.
    OrganizationUpdate: [Admin];
    /// See specialties.
    SpecialtyRead: [Admin, Specialist, Staff, Patient];
    /// Create, change, archive specialties.
    SpecialtyWrite: [Admin];
    /// See specialists.
    SpecialistRead: [Admin, Specialist, Staff, Patient];
    /// Create and delete specialists.
    SpecialistWrite: [Admin];
    /// Change a specialist; a specialist only itself.
    SpecialistUpdate: [Admin, Specialist];
    /// List and search patients.
    PatientList: [Admin, Specialist, Staff];
    /// See one patient; a patient only itself.
    PatientRead: [Admin, Specialist, Staff, Patient];
    /// Create and delete patients.
    PatientWrite: [Admin, Staff];
    /// Change a patient.
    PatientUpdate: [Admin, Specialist, Staff];
    /// See and write clinical notes.
    ClinicalNotes: [Admin, Specialist];
    /// See appointments; specialists and patients their own.
    AppointmentRead: [Admin, Specialist, Staff, Patient];
    /// Create and change appointments; specialists their own.
    AppointmentWrite: [Admin, Specialist, Staff];
    /// Delete appointments.
    AppointmentDelete: [Admin];
    /// Cancel appointments; specialists and patients their own.
    AppointmentCancel: [Admin, Specialist, Staff, Patient];
}

impl Role {
    /// Whether the role has the permission.
    pub(crate) fn may(self, permission: Permission) -> bool {
        self == Self::Superadmin || permission.roles().contains(&self)
    }

    /// Every permission the role has.
    pub(crate) fn permissions(self) -> Vec<Permission> {
        Permission::ALL.iter().copied().filter(|permission| self.may(*permission)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patient_never_sees_notes_and_staff_neither() {
        assert!(!Role::Patient.may(Permission::ClinicalNotes));
        assert!(!Role::Staff.may(Permission::ClinicalNotes));
        assert!(Role::Specialist.may(Permission::ClinicalNotes));
    }

    #[test]
    fn only_the_platform_creates_organizations() {
        assert!(Role::Superadmin.may(Permission::OrganizationCreate));
        assert!(!Role::Admin.may(Permission::OrganizationCreate));
    }
}
