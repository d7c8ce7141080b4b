use crate::holding::{Column, Fate, Found, HOLDING, Holding, SealedBy, clear, hidden, sealed};

const CARE: Fate = Fate::Anonymize("title = '', title_encrypted = null, updated_at = now(), version = version + 1");

/// Ends holds together with their maker: nobody else can book the time of a hold.
const BOOKED_BY: Fate = Fate::Anonymize(
    "user_id = null, holder = null, status = case when status = 'held' then 'expired' else status end,
     version = version + case when status = 'held' then 1 else 0 end",
);

/// Condition of appointments that did not take place and, once their patient is erased, never will.
const NEVER_HELD: &str = "(t.status in ('held', 'expired', 'cancelled', 'no_show')
                           or t.status in ('scheduled', 'confirmed') and t.started_at > now())";

const HELD: &str = "not (t.status in ('held', 'expired', 'cancelled', 'no_show')
                         or t.status in ('scheduled', 'confirmed') and t.started_at > now())";

const APPOINTMENT: &[Column] = &[
    clear("patient_id"),
    clear("title"),
    sealed("title_encrypted", "title"),
    clear("status"),
    clear("started_at"),
    clear("ended_at"),
    hidden("block"),
    clear("specialist_id"),
    clear("appointment_template_id"),
    clear("specialty_id"),
    clear("modality"),
    clear("cancelled_at"),
    clear("cancellation_reason"),
];

/// Personal data in appointments, the record of their moves, and their series.
pub(crate) const HOLDINGS: &[Holding] = &[
    // The times and specialists of earlier moves are no part of the record of care. These rows are erased before the
    // appointments that they refer to.
    Holding {
        table: "appointment_reschedules",
        found: Found::Patient("patient_id"),
        columns: &[
            clear("patient_id"),
            clear("from_specialist_id"),
            clear("from_started_at"),
            clear("from_ended_at"),
            clear("to_specialist_id"),
            clear("to_started_at"),
            clear("to_ended_at"),
            clear("created_at"),
        ],
        ..HOLDING
    },
    Holding {
        table: "appointment_reschedules",
        found: Found::User("user_id"),
        columns: &[clear("user_id"), clear("created_at")],
        erase: Fate::Anonymize("user_id = null"),
        anonymize: Fate::Anonymize("user_id = null"),
        ..HOLDING
    },
    // A series holds nothing beyond its appointments, which are records of their own.
    Holding {
        table: "appointment_series",
        found: Found::Patient("patient_id"),
        sealed_by: SealedBy::Organization,
        columns: &[
            clear("patient_id"),
            clear("title"),
            sealed("title_encrypted", "title"),
            clear("specialist_id"),
            clear("appointment_template_id"),
            clear("started_at"),
            clear("ended_at"),
            clear("until"),
            clear("created_at"),
        ],
        ..HOLDING
    },
    // Erasure deletes an appointment that does not take place. Anonymization keeps it as a cancelled one, for
    // statistics.
    Holding {
        table: "appointments",
        found: Found::Patient("patient_id"),
        only: NEVER_HELD,
        sealed_by: SealedBy::Organization,
        columns: APPOINTMENT,
        anonymize: Fate::Anonymize(
            "title = '', title_encrypted = null, updated_at = now(), version = version + 1,
             cancelled_at = case when status in ('scheduled', 'confirmed') then now() else cancelled_at end,
             holder = null,
             status = case when status in ('scheduled', 'confirmed') then 'cancelled' when status = 'held' then 'expired'
                           else status end",
        ),
        ..HOLDING
    },
    // The clinic keeps the record that its specialist worked at that time, without title. The patient is anonymized.
    Holding {
        table: "appointments",
        found: Found::Patient("patient_id"),
        only: HELD,
        sealed_by: SealedBy::Organization,
        columns: APPOINTMENT,
        erase: CARE,
        anonymize: CARE,
        ..HOLDING
    },
    Holding {
        table: "appointments",
        found: Found::User("user_id"),
        columns: &[clear("user_id"), hidden("holder")],
        erase: BOOKED_BY,
        anonymize: BOOKED_BY,
        ..HOLDING
    },
    // Follows the appointments, because a change of a series locks its appointments before the series.
    Holding {
        table: "appointment_series",
        found: Found::User("user_id"),
        columns: &[clear("user_id")],
        erase: Fate::Anonymize("user_id = null"),
        anonymize: Fate::Anonymize("user_id = null"),
        ..HOLDING
    },
    // Follow the appointments: one that changes hands while they are erased leaves its departure before.
    Holding {
        table: "calendar_departures",
        found: Found::Patient("patient_id"),
        columns: &[
            clear("patient_id"),
            clear("specialty_id"),
            clear("modality"),
            clear("started_at"),
            clear("ended_at"),
            clear("departed_at"),
        ],
        ..HOLDING
    },
    Holding {
        table: "calendar_departures",
        found: Found::Specialist("specialist_id"),
        columns: &[
            clear("specialist_id"),
            clear("specialty_id"),
            clear("modality"),
            clear("started_at"),
            clear("ended_at"),
            clear("departed_at"),
        ],
        ..HOLDING
    },
];
