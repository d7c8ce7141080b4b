//! Who may do what: the whole policy on one page. What is not listed is denied.

use poem_openapi::{
    Enum,
    types::{ParseFromJSON, ToJSON},
};

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

/// What an API key may do; with it, what the front desk may do there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Enum)]
pub(crate) enum Scope {
    /// See patients.
    #[oai(rename = "patients:read")]
    PatientsRead,
    /// Create, change and delete patients.
    #[oai(rename = "patients:write")]
    PatientsWrite,
    /// See appointments.
    #[oai(rename = "appointments:read")]
    AppointmentsRead,
    /// Book, change and cancel appointments.
    #[oai(rename = "appointments:write")]
    AppointmentsWrite,
    /// See specialists.
    #[oai(rename = "specialists:read")]
    SpecialistsRead,
    /// Change specialists, as far as the front desk may.
    #[oai(rename = "specialists:write")]
    SpecialistsWrite,
    /// See specialties.
    #[oai(rename = "specialties:read")]
    SpecialtiesRead,
    /// Change specialties, as far as the front desk may.
    #[oai(rename = "specialties:write")]
    SpecialtiesWrite,
    /// See calendars.
    #[oai(rename = "calendar:read")]
    CalendarRead,
    /// Give and revoke calendar feeds.
    #[oai(rename = "calendar:write")]
    CalendarWrite,
    /// See forms.
    #[oai(rename = "forms:read")]
    FormsRead,
    /// Fill forms.
    #[oai(rename = "forms:write")]
    FormsWrite,
    /// See documents.
    #[oai(rename = "documents:read")]
    DocumentsRead,
    /// Write documents.
    #[oai(rename = "documents:write")]
    DocumentsWrite,
    /// See webhooks.
    #[oai(rename = "webhooks:read")]
    WebhooksRead,
    /// Change webhooks, as far as the front desk may.
    #[oai(rename = "webhooks:write")]
    WebhooksWrite,
}

impl Scope {
    /// As the database and the specification write it.
    pub(crate) fn as_text(self) -> String {
        self.to_json().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// A scope as [`Scope::as_text`] wrote it.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        Self::parse_from_json(Some(text.into())).ok()
    }
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
    ($($(#[$doc:meta])* $name:ident $(@ $scope:ident)?: [$($role:ident),*];)*) => {
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

            /// As answers name it.
            pub(crate) fn name(self) -> String {
                self.to_json().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
            }

            /// The scope with which an API key has it, as far as the front desk has it; without one
            /// no key does.
            pub(crate) fn scope(self) -> Option<Scope> {
                match self {
                    $(Self::$name => [$(Scope::$scope)?].first().copied(),)*
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
    /// See who belongs to one's own organization.
    MemberRead: [Admin];
    /// Invite members, change what they are, remove them.
    MemberWrite: [Admin];
    /// Link records of patients and specialists to logins, and end that.
    RecordLink: [Admin];
    /// Create, rotate and revoke API keys.
    ApiKeyManage: [Admin];
    /// Act as a patient.
    PatientImpersonate: [Admin];
    /// See specialties.
    SpecialtyRead @ SpecialtiesRead: [Admin, Specialist, Staff, Patient];
    /// Create, change, archive specialties.
    SpecialtyWrite @ SpecialtiesWrite: [Admin];
    /// See specialists.
    SpecialistRead @ SpecialistsRead: [Admin, Specialist, Staff, Patient];
    /// Create and delete specialists.
    SpecialistWrite @ SpecialistsWrite: [Admin];
    /// Change a specialist; a specialist only itself.
    SpecialistUpdate @ SpecialistsWrite: [Admin, Specialist];
    /// See appointment templates.
    AppointmentTemplateRead @ AppointmentsRead: [Admin, Specialist, Staff, Patient];
    /// Create, change, archive appointment templates.
    AppointmentTemplateWrite: [Admin];
    /// List and search patients.
    PatientList @ PatientsRead: [Admin, Specialist, Staff];
    /// See one patient; a patient only itself.
    PatientRead @ PatientsRead: [Admin, Specialist, Staff, Patient];
    /// Create and delete patients.
    PatientWrite @ PatientsWrite: [Admin, Staff];
    /// Change a patient.
    PatientUpdate @ PatientsWrite: [Admin, Specialist, Staff];
    /// Say by what a patient is found, its e-mail address and national id: those who see every patient, for an
    /// address that is taken tells of another.
    PatientIdentify @ PatientsWrite: [Admin, Staff];
    /// See and write clinical notes.
    ClinicalNotes: [Admin, Specialist];
    /// See appointments; specialists and patients their own.
    AppointmentRead @ AppointmentsRead: [Admin, Specialist, Staff, Patient];
    /// Create and change appointments and say how they go; specialists their own.
    AppointmentWrite @ AppointmentsWrite: [Admin, Specialist, Staff];
    /// Hold and book open slots; patients for themselves.
    AppointmentBook @ AppointmentsWrite: [Admin, Staff, Patient];
    /// Move appointments; specialists and patients their own.
    AppointmentReschedule @ AppointmentsWrite: [Admin, Specialist, Staff, Patient];
    /// Delete appointments.
    AppointmentDelete @ AppointmentsWrite: [Admin];
    /// Cancel appointments; specialists and patients their own.
    AppointmentCancel @ AppointmentsWrite: [Admin, Specialist, Staff, Patient];
    /// See series of appointments; specialists their own.
    AppointmentSeriesRead @ AppointmentsRead: [Admin, Specialist, Staff];
    /// Book, change and cancel series of appointments; specialists their own.
    AppointmentSeriesWrite @ AppointmentsWrite: [Admin, Specialist, Staff];
    /// See who waits for a slot; patients themselves.
    WaitlistRead @ AppointmentsRead: [Admin, Staff, Patient];
    /// Put patients on the waitlist, take them off it and accept offers; patients for themselves.
    WaitlistWrite @ AppointmentsWrite: [Admin, Staff, Patient];
    /// See the calendar; specialists and patients their own.
    CalendarRead @ CalendarRead: [Admin, Specialist, Staff, Patient];
    /// Join appointments by video; specialists and patients their own.
    VideoJoin: [Specialist, Patient];
    /// Export, erase and anonymize what is held on a person.
    GdprManage: [Admin];
}

impl Role {
    /// Whether the role has the permission.
    pub(crate) fn may(self, permission: Permission) -> bool {
        self == Self::Superadmin || permission.roles().contains(&self)
    }

    /// The names of every permission the role has.
    pub(crate) fn permissions(self) -> Vec<String> {
        Permission::ALL.iter().filter(|permission| self.may(**permission)).map(|permission| permission.name()).collect()
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
    fn a_key_never_does_what_the_front_desk_may_not() {
        let of_key = |permission: &Permission| permission.scope().is_some() && Role::Staff.may(*permission);
        let keys: Vec<_> = Permission::ALL.iter().copied().filter(of_key).collect();
        assert!(keys.contains(&Permission::PatientWrite) && keys.contains(&Permission::AppointmentCancel));
        for never in [Permission::ClinicalNotes, Permission::AppointmentDelete, Permission::SpecialtyWrite] {
            assert!(!keys.contains(&never), "{never:?}");
        }
    }

    #[test]
    fn scopes_are_read_as_they_are_written() {
        assert_eq!(Scope::PatientsRead.as_text(), "patients:read");
        assert_eq!(Scope::from_text("webhooks:write"), Some(Scope::WebhooksWrite));
        assert_eq!(Scope::from_text("members:write"), None);
    }

    #[test]
    fn only_the_platform_creates_organizations() {
        assert!(Role::Superadmin.may(Permission::OrganizationCreate));
        assert!(!Role::Admin.may(Permission::OrganizationCreate));
    }
}
