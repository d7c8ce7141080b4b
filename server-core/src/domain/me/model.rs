use poem_openapi::{Object, types::Example};

use crate::{
    domain::{invitation::MyInvitation, user::MyMembership},
    identity::{Person, Role},
    ids::{OrganizationId, PatientId, SpecialistId, UserId},
};

/// The caller: who it is, where it belongs and what it may do.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Me {
    /// The user's id.
    pub(crate) id: UserId,
    /// Name that the user goes by.
    pub(crate) name: String,
    /// Whether the user runs the platform.
    pub(crate) superadmin: bool,
    /// Every organization the user belongs to, by name.
    pub(crate) memberships: Vec<MyMembership>,
    /// The organization of this request; absent for a person in none.
    pub(crate) organization_id: Option<OrganizationId>,
    /// Role of the user in it.
    pub(crate) role: Option<Role>,
    /// Permissions of the user in it, e.g. `appointment_write`; a later version may have more names.
    pub(crate) permissions: Vec<String>,
    /// The user's own patient record in it.
    pub(crate) patient_id: Option<PatientId>,
    /// The user's own specialist record in it.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// The user's open invitations from every organization; the first to expire comes first. Empty while somebody
    /// acts as the user.
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

/// Which organization to work in from now on.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct SwitchOrganization {
    /// One of the caller's organizations.
    pub(crate) organization_id: OrganizationId,
}

impl Example for SwitchOrganization {
    fn example() -> Self {
        Self { organization_id: OrganizationId(1) }
    }
}
