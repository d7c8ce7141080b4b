use poem_openapi::{Object, types::Example};

use crate::{
    domain::{invitation::MyInvitation, user::MyMembership},
    identity::{Person, Role},
    ids::{OrganizationId, PatientId, SpecialistId, UserId},
};

/// Account of the caller, with its memberships and permissions.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Me {
    /// Id of the user.
    pub(crate) id: UserId,
    /// Display name of the user.
    pub(crate) name: String,
    /// `true` if the user administers the platform.
    pub(crate) superadmin: bool,
    /// Memberships of the user, sorted by the organization's name.
    pub(crate) memberships: Vec<MyMembership>,
    /// Id of the organization of the request; absent if the user has no current organization.
    pub(crate) organization_id: Option<OrganizationId>,
    /// Role of the user in the organization of the request; absent without one.
    pub(crate) role: Option<Role>,
    /// Permissions of the user in the organization of the request, e.g. `appointment_write`. Later versions may add
    /// names.
    pub(crate) permissions: Vec<String>,
    /// Id of the user's patient record in the organization of the request, if the role is `patient`.
    pub(crate) patient_id: Option<PatientId>,
    /// Id of the user's specialist record in the organization of the request, if the role is `specialist`.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// Open invitations of the user from every organization, the first to expire first. Empty during an impersonation.
    pub(crate) invitations: Vec<MyInvitation>,
}

impl Me {
    pub(super) fn of(caller: &Person, invitations: Vec<MyInvitation>) -> Self {
        let memberships = caller.identity().memberships.iter().map(|membership| MyMembership {
            organization_id: membership.organization_id,
            organization_name: membership.organization_name.clone(),
            organization_slug: membership.organization_slug.clone(),
            role: membership.capacity.role(),
        });
        Self {
            id: caller.id(),
            name: caller.identity().name.clone(),
            superadmin: caller.identity().superadmin,
            memberships: memberships.collect(),
            organization_id: caller.organization,
            role: caller.role(),
            permissions: caller.role().map(Role::permissions).unwrap_or_default(),
            patient_id: caller.patient_id(),
            specialist_id: caller.specialist_id(),
            invitations,
        }
    }
}

impl Example for Me {
    fn example() -> Self {
        Self {
            id: UserId(12),
            name: "Front desk".to_owned(),
            superadmin: false,
            memberships: vec![MyMembership::example()],
            organization_id: Some(OrganizationId(1)),
            role: Some(Role::Staff),
            permissions: Role::Staff.permissions(),
            patient_id: None,
            specialist_id: None,
            invitations: vec![MyInvitation::example()],
        }
    }
}

/// Organization to switch to.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct SwitchOrganization {
    /// Id of one of the caller's organizations.
    pub(crate) organization_id: OrganizationId,
}

impl Example for SwitchOrganization {
    fn example() -> Self {
        Self { organization_id: OrganizationId(1) }
    }
}
