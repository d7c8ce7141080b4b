//! Permissions of roles and scopes: the whole policy on one page. Whatever is not listed is denied.

use poem_openapi::{
    Enum,
    types::{ParseFromJSON, ToJSON},
};

/// Role of a caller in the organization of the request.
///
/// - `superadmin`: operates the platform, for all organizations
/// - `admin`: administers the organization
/// - `specialist`: treats patients
/// - `staff`: works at the front desk
/// - `patient`: is treated
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum Role {
    Superadmin,
    Admin,
    Specialist,
    Staff,
    Patient,
}

/// Scope of an API key: an area and the kind of access to it. A key never has more permissions than the role `staff`.
///
/// - `patients:read`: see patients
/// - `patients:write`: create, change and delete patients
/// - `appointments:read`: see appointments
/// - `appointments:write`: book, change and cancel appointments
/// - `specialists:read`: see specialists
/// - `specialists:write`: change specialists
/// - `specialties:read`: see specialties
/// - `specialties:write`: change specialties
/// - `calendar:read`: see calendars
/// - `calendar:write`: create and revoke calendar feeds
/// - `forms:read`: see forms
/// - `forms:write`: fill in forms
/// - `documents:read`: see documents
/// - `documents:write`: write documents
/// - `webhooks:read`: see webhooks
/// - `webhooks:write`: change webhooks
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Enum)]
pub(crate) enum Scope {
    #[oai(rename = "patients:read")]
    PatientsRead,
    #[oai(rename = "patients:write")]
    PatientsWrite,
    #[oai(rename = "appointments:read")]
    AppointmentsRead,
    #[oai(rename = "appointments:write")]
    AppointmentsWrite,
    #[oai(rename = "specialists:read")]
    SpecialistsRead,
    #[oai(rename = "specialists:write")]
    SpecialistsWrite,
    #[oai(rename = "specialties:read")]
    SpecialtiesRead,
    #[oai(rename = "specialties:write")]
    SpecialtiesWrite,
    #[oai(rename = "calendar:read")]
    CalendarRead,
    #[oai(rename = "calendar:write")]
    CalendarWrite,
    #[oai(rename = "forms:read")]
    FormsRead,
    #[oai(rename = "forms:write")]
    FormsWrite,
    #[oai(rename = "documents:read")]
    DocumentsRead,
    #[oai(rename = "documents:write")]
    DocumentsWrite,
    #[oai(rename = "webhooks:read")]
    WebhooksRead,
    #[oai(rename = "webhooks:write")]
    WebhooksWrite,
}

impl Scope {
    /// Returns the scope as the database and the specification write it.
    pub(crate) fn as_text(self) -> String {
        self.to_json().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Parses a scope written by [`Scope::as_text`].
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        Self::parse_from_json(Some(text.into())).ok()
    }
}

impl Role {
    /// Returns the role as the database and the tokens write it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Superadmin => "superadmin",
            Self::Admin => "admin",
            Self::Specialist => "specialist",
            Self::Staff => "staff",
            Self::Patient => "patient",
        }
    }

    /// Parses a role that a membership can have.
    pub(crate) fn of_membership(text: &str) -> Option<Self> {
        [Self::Admin, Self::Specialist, Self::Staff, Self::Patient].into_iter().find(|role| role.as_str() == text)
    }
}

use Role::{Admin, Patient, Specialist, Staff};

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident $(@ $scope:ident)?: [$($role:ident),*];)*) => {
        /// Permission to use certain operations. Row-level security decides on which rows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
        #[oai(rename_all = "snake_case")]
        pub(crate) enum Permission {
            $($(#[$doc])* $name,)*
        }

        impl Permission {
            /// Every permission, in the order of the table.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the roles within an organization that have the permission; a superadmin has every one.
            fn roles(self) -> &'static [Role] {
                match self {
                    $(Self::$name => &[$($role),*],)*
                }
            }

            /// Returns the name of the permission in answers.
            pub(crate) fn name(self) -> String {
                self.to_json().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
            }

            /// Returns the scope with which an API key has the permission, if staff have it too; without a scope, no
            /// API key has it.
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
    /// See the organization.
    OrganizationRead: [Admin, Specialist, Staff, Patient];
    /// Change the organization.
    OrganizationUpdate: [Admin];
    /// See the members of the organization.
    MemberRead: [Admin];
    /// Invite members, change their roles, remove them.
    MemberWrite: [Admin];
    /// Link records of patients and specialists to users, and remove such links.
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
    /// See form templates and their versions, and preview forms.
    FormTemplateRead @ FormsRead: [Admin, Specialist, Staff];
    /// Create, change, publish, archive form templates.
    FormTemplateWrite: [Admin];
    /// See forms; specialists those of the patients whom they treat, patients their own.
    FormRead @ FormsRead: [Admin, Specialist, Staff, Patient];
    /// Create, fill in, submit and delete forms; patients their own.
    FormWrite @ FormsWrite: [Admin, Specialist, Staff, Patient];
    /// Sign forms; patients their own.
    FormSign: [Specialist, Patient];
    /// Amend signed forms.
    FormAmend: [Specialist];
    /// Make forms void.
    FormVoid: [Admin, Specialist];
    /// Move forms to other versions of their templates.
    FormMigrate @ FormsWrite: [Admin, Specialist, Staff];
    /// See the changes of forms, and who made them.
    FormHistory @ FormsRead: [Admin, Specialist, Staff];
    /// See the forms that wait for oneself, with their definitions.
    OwnFormRead: [Patient];
    /// List and search patients.
    PatientList @ PatientsRead: [Admin, Specialist, Staff];
    /// See one patient; a patient only itself.
    PatientRead @ PatientsRead: [Admin, Specialist, Staff, Patient];
    /// Create and delete patients.
    PatientWrite @ PatientsWrite: [Admin, Staff];
    /// Change a patient.
    PatientUpdate @ PatientsWrite: [Admin, Specialist, Staff];
    /// Set the data by which a patient is found: e-mail address and national id. For roles that see every patient,
    /// because the error about an address in use reveals another patient.
    PatientIdentify @ PatientsWrite: [Admin, Staff];
    /// Merge records of a patient who was entered twice.
    PatientMerge: [Admin];
    /// See and write clinical notes.
    ClinicalNotes: [Admin, Specialist];
    /// See the definitions of custom fields.
    CustomFieldRead: [Admin, Specialist, Staff];
    /// Create, change, archive custom fields.
    CustomFieldWrite: [Admin];
    /// Set values in the profile of a patient; a patient in its own.
    PatientProfileWrite @ PatientsWrite: [Admin, Specialist, Staff, Patient];
    /// Set values in the profile of a specialist; a specialist only in its own.
    SpecialistProfileWrite @ SpecialistsWrite: [Admin, Specialist, Staff];
    /// Set values in the profile of an appointment; specialists and patients of their own.
    AppointmentProfileWrite @ AppointmentsWrite: [Admin, Specialist, Staff, Patient];
    /// See and evaluate segments and their members; specialists the members whom they treat.
    SegmentRead: [Admin, Specialist, Staff];
    /// Try rules; create, change and delete segments.
    SegmentWrite: [Admin];
    /// See appointments; specialists and patients their own.
    AppointmentRead @ AppointmentsRead: [Admin, Specialist, Staff, Patient];
    /// Create and change appointments and set their status; specialists their own.
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
    /// See the waitlist; patients their own entries.
    WaitlistRead @ AppointmentsRead: [Admin, Staff, Patient];
    /// Add and remove entries of the waitlist and accept offers; patients for themselves.
    WaitlistWrite @ AppointmentsWrite: [Admin, Staff, Patient];
    /// See the calendar; specialists and patients their own.
    CalendarRead @ CalendarRead: [Admin, Specialist, Staff, Patient];
    /// Join appointments by video; specialists and patients their own.
    VideoJoin: [Specialist, Patient];
    /// Export, erase and anonymize the data of a person.
    GdprManage: [Admin];
    /// Export tables as files.
    DataExport: [Admin];
}

impl Role {
    /// Returns true if the role has the permission.
    pub(crate) fn may(self, permission: Permission) -> bool {
        self == Self::Superadmin || permission.roles().contains(&self)
    }

    /// Returns the names of the role's permissions.
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
