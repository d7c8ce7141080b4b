use poem_openapi::Enum;

/// Status of an appointment.
///
/// - `held`: a hold that keeps a slot until `hold_expires_at`, for its maker or as an offer to a patient on the
///   waitlist
/// - `expired`: a hold that lapsed or was released
/// - `scheduled`: booked
/// - `confirmed`: booked and confirmed
/// - `in_progress`: started
/// - `completed`: took place
/// - `cancelled`: cancelled by the patient or the clinic
/// - `no_show`: the patient did not come
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum AppointmentStatus {
    Held,
    Expired,
    Scheduled,
    Confirmed,
    InProgress,
    Completed,
    Cancelled,
    NoShow,
}

impl AppointmentStatus {
    /// Returns `true` if the status may change to `to`. This is the whole state machine.
    pub(crate) fn may_become(self, to: Self) -> bool {
        match self {
            Self::Held => matches!(to, Self::Scheduled | Self::Expired),
            Self::Scheduled => matches!(to, Self::Confirmed | Self::Cancelled | Self::NoShow),
            Self::Confirmed => matches!(to, Self::InProgress | Self::Cancelled | Self::NoShow),
            Self::InProgress => to == Self::Completed,
            Self::Completed | Self::Cancelled | Self::NoShow | Self::Expired => false,
        }
    }

    /// Returns `true` if it is booked and has not begun, so that its time and people can change.
    pub(super) fn is_booked(self) -> bool {
        matches!(self, Self::Scheduled | Self::Confirmed)
    }
}

#[cfg(test)]
mod tests {
    use super::AppointmentStatus::{
        self, Cancelled, Completed, Confirmed, Expired, Held, InProgress, NoShow, Scheduled,
    };

    const ALL: [AppointmentStatus; 8] = [Held, Expired, Scheduled, Confirmed, InProgress, Completed, Cancelled, NoShow];

    #[test]
    fn these_arrows_are_all_there_are() {
        let mut arrows = Vec::new();
        for from in ALL {
            arrows.extend(ALL.into_iter().filter(|to| from.may_become(*to)).map(|to| (from, to)));
        }
        assert_eq!(
            arrows,
            [
                (Held, Expired),
                (Held, Scheduled),
                (Scheduled, Confirmed),
                (Scheduled, Cancelled),
                (Scheduled, NoShow),
                (Confirmed, InProgress),
                (Confirmed, Cancelled),
                (Confirmed, NoShow),
                (InProgress, Completed),
            ]
        );
    }
}
