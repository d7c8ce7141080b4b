//! Titles of appointments and series. They may contain personal data although callers are told to leave it out, so they
//! are sealed with the organization's key and opened for those who may see the appointment.

use server_shared::mark::Phi;
use uuid::Uuid;

use super::{Service, model::Appointment, row::AppointmentRow, transition::AppointmentState};
use crate::{
    database::DatabaseError,
    encryption::{OpenKey, OrganizationKeys},
    ids::OrganizationId,
};

/// Associated data of an encrypted title, in addition to its row.
const COLUMN: &str = "title";

/// Kind of row that has a title; each kind has its own table.
#[derive(Debug, Clone, Copy)]
pub(super) enum Titled {
    Appointment,
    Series,
}

impl Titled {
    fn table(self) -> &'static str {
        match self {
            Self::Appointment => "appointments",
            Self::Series => "appointment_series",
        }
    }
}

/// Key that seals the titles of an organization.
#[derive(Debug)]
pub(super) struct TitleSeal(OpenKey);

impl TitleSeal {
    /// Loads the key of an organization. Called before a transaction opens, because it may read the database.
    pub(super) async fn of(keys: &OrganizationKeys, organization: OrganizationId) -> Result<Self, DatabaseError> {
        Ok(Self(keys.of(organization).await?))
    }

    /// Seals a title; returns `None` for an empty one.
    pub(super) fn seal(&self, titled: Titled, uid: Uuid, title: &str) -> Option<Vec<u8>> {
        self.0.row(titled.table(), uid).seal(COLUMN, Some(title).filter(|title| !title.is_empty()))
    }

    /// Opens a sealed title; `None` if it has none.
    pub(super) fn open(
        &self,
        titled: Titled,
        uid: Uuid,
        sealed: Option<&[u8]>,
    ) -> Result<Option<Phi<String>>, DatabaseError> {
        self.0.row(titled.table(), uid).open(COLUMN, sealed)
    }
}

/// Title as stored.
pub(super) struct StoredTitle<'a> {
    pub(super) titled: Titled,
    pub(super) organization: OrganizationId,
    pub(super) uid: Uuid,
    /// Title in clear text: in a row from before titles were encrypted, or written by a process that does not encrypt
    /// them yet. Unless it is empty, it takes precedence over `sealed`.
    pub(super) clear: &'a str,
    pub(super) sealed: Option<&'a [u8]>,
}

impl Service {
    /// Decrypts a title.
    pub(super) async fn title_open(&self, title: StoredTitle<'_>) -> Result<String, DatabaseError> {
        match title.sealed {
            Some(sealed) if title.clear.is_empty() => {
                let seal = TitleSeal::of(&self.keys, title.organization).await?;
                let opened = seal.open(title.titled, title.uid, Some(sealed))?;
                // The seal protects against readers of the database. The answer to a caller who may see the appointment
                // is no disclosure.
                Ok(opened.map(Phi::into_inner).unwrap_or_default())
            }
            _ => Ok(title.clear.to_owned()),
        }
    }

    /// Decrypts the title of an appointment that is about to change.
    pub(super) async fn title_of(&self, state: &AppointmentState) -> Result<String, DatabaseError> {
        let title = StoredTitle {
            titled: Titled::Appointment,
            organization: state.organization_id,
            uid: state.uid,
            clear: &state.title,
            sealed: state.title_encrypted.as_deref(),
        };
        self.title_open(title).await
    }

    /// Converts a stored appointment into one for callers, with its title decrypted.
    pub(super) async fn opened(&self, row: AppointmentRow) -> Result<Appointment, DatabaseError> {
        let title = StoredTitle {
            titled: Titled::Appointment,
            organization: row.organization_id,
            uid: row.uid,
            clear: &row.title,
            sealed: row.title_encrypted.as_deref(),
        };
        let title = self.title_open(title).await?;
        Ok(row.with(title))
    }

    /// Converts several stored appointments, see [`Service::opened`].
    pub(super) async fn opened_all(&self, rows: Vec<AppointmentRow>) -> Result<Vec<Appointment>, DatabaseError> {
        let mut appointments = Vec::with_capacity(rows.len());
        for row in rows {
            appointments.push(self.opened(row).await?);
        }
        Ok(appointments)
    }
}
