use crate::holding::{Fate, Found, HOLDING, Holding, SealedBy, clear, hidden, sealed};

/// Personal data in invitations.
pub(crate) const HOLDINGS: &[Holding] = &[
    // Before the memberships: their end revokes invitations, and they decide which addresses a clinic may know. The
    // person of a record is not shown the other people who were invited to it.
    Holding {
        table: "invitations",
        found: Found::User("user_id"),
        columns: &[clear("user_id"), clear("kind"), clear("role"), clear("status"), clear("created_at")],
        ..HOLDING
    },
    Holding {
        table: "invitations",
        found: Found::Address("email_index"),
        only: "t.user_id is null",
        sealed_by: SealedBy::InvitationKey,
        columns: &[
            hidden("uid"),
            clear("kind"),
            clear("role"),
            sealed("email_encrypted", "email"),
            hidden("email_index"),
            hidden("data_key_wrapped"),
            clear("created_at"),
        ],
        ..HOLDING
    },
    Holding {
        table: "invitations",
        found: Found::Patient("patient_id"),
        columns: &[clear("patient_id"), clear("created_at")],
        ..HOLDING
    },
    Holding {
        table: "invitations",
        found: Found::Specialist("specialist_id"),
        columns: &[clear("specialist_id"), clear("created_at")],
        ..HOLDING
    },
    Holding {
        table: "invitations",
        found: Found::User("invited_by"),
        columns: &[clear("invited_by"), clear("created_at")],
        erase: Fate::Anonymize("invited_by = null"),
        anonymize: Fate::Anonymize("invited_by = null"),
        ..HOLDING
    },
];
