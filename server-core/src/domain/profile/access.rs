//! Fields whose values a caller sees and writes. The functions `fields_readable` and `fields_writable` of the database
//! have the same rules.

use crate::{
    domain::custom_field::{FieldEntity, FieldRole},
    identity::{Caller, Credential, Role},
};

/// Caller, as far as lists of roles of a field tell callers apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Sees and writes every field: superadmins.
    All,
    /// A member in this role.
    Role(FieldRole),
    /// An API key: what the front desk may, without protected health information outside of patients' profiles, for
    /// which there are scopes of their own.
    Key,
    /// Sees no field.
    None,
}

impl Access {
    /// Returns the access of a caller.
    pub(super) fn of(caller: &Caller) -> Self {
        if matches!(caller.credential, Credential::ApiKey(_)) {
            return Self::Key;
        }
        match caller.role() {
            Some(Role::Superadmin) => Self::All,
            Some(role) => FieldRole::of_text(role.as_str()).map_or(Self::None, Self::Role),
            None => Self::None,
        }
    }

    /// Returns `true` if a field of `entity` with this list of roles is open to the caller.
    pub(super) fn is_listed(self, entity: FieldEntity, phi: bool, roles: &[FieldRole]) -> bool {
        match self {
            Self::All => true,
            Self::Role(role) => roles.contains(&role),
            Self::Key => roles.contains(&FieldRole::Staff) && (entity == FieldEntity::Patient || !phi),
            Self::None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_sees_what_the_front_desk_sees_without_the_health_of_others_than_patients() {
        let staff = [FieldRole::Admin, FieldRole::Staff];
        for (entity, phi, listed) in [
            (FieldEntity::Patient, true, true),
            (FieldEntity::Appointment, true, false),
            (FieldEntity::Appointment, false, true),
        ] {
            assert_eq!(Access::Key.is_listed(entity, phi, &staff), listed, "{entity:?} {phi}");
            assert!(Access::Role(FieldRole::Staff).is_listed(entity, phi, &staff));
        }
        assert!(!Access::Key.is_listed(FieldEntity::Patient, false, &[FieldRole::Admin, FieldRole::Specialist]));
    }

    #[test]
    fn roles_see_what_lists_them() {
        let specialists = [FieldRole::Admin, FieldRole::Specialist];
        for (access, listed) in [
            (Access::All, true),
            (Access::Role(FieldRole::Admin), true),
            (Access::Role(FieldRole::Specialist), true),
            (Access::Role(FieldRole::Patient), false),
            (Access::None, false),
        ] {
            assert_eq!(access.is_listed(FieldEntity::Patient, true, &specialists), listed, "{access:?}");
        }
    }
}
