use poem_openapi::Enum;

/// Where an appointment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum AppointmentStatus {
    /// Kept for its maker for a few minutes, or offered to who waits for an hour.
    Held,
    /// Was held and is free again.
    Expired,
    /// Booked.
    Scheduled,
    /// Booked and confirmed.
    Confirmed,
    /// Under way.
    InProgress,
    /// Took place.
    Completed,
    /// Called off.
    Cancelled,
    /// The patient did not come.
    NoShow,
}

impl AppointmentStatus {
    /// Whether the one state may follow upon the other: the whole state machine.
    pub(crate) fn may_become(self, to: Self) -> bool {
        match self {
            Self::Held => matches!(to, Self::Scheduled | Self::Expired),
            Self::Scheduled => matches!(to, Self::Confirmed | Self::Cancelled | Self::NoShow),
            Self::Confirmed => matches!(to, Self::InProgress | Self::Cancelled | Self::NoShow),
            Self::InProgress => to == Self::Completed,
            Self::Completed | Self::Cancelled | Self::NoShow | Self::Expired => false,
        }
    }

    /// Whether it is booked and has not begun: time and people can still change.
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
