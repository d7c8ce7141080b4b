//! Titles. Their writers are told to name nobody in them and do it all the same, so they are sealed under the
//! organization's key: whoever may see the appointment reads them, and nobody else.

use server_shared::mark::Phi;
use uuid::Uuid;

use super::{Service, model::Appointment, row::AppointmentRow, transition::Standing};
use crate::{
    database::DatabaseError,
    encryption::{OpenKey, OrganizationKeys},
    ids::OrganizationId,
};

/// Associated data of an encrypted title, besides its row.
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

/// Seals titles that are written in an organization.
#[derive(Debug)]
pub(super) struct TitleSeal(OpenKey);

impl TitleSeal {
    /// Of an organization. To be had before a transaction is open, as the key may have to be read.
    pub(super) async fn of(keys: &OrganizationKeys, organization: OrganizationId) -> Result<Self, DatabaseError> {
        Ok(Self(keys.of(organization).await?))
    }

    /// The title as it is stored; an empty one is none.
    pub(super) fn seal(&self, titled: Titled, uid: Uuid, title: &str) -> Option<Vec<u8>> {
        self.0.row(titled.table(), uid).seal(COLUMN, Some(title).filter(|title| !title.is_empty()))
    }
}

/// A title as it is stored.
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
    /// Opens a title.
    pub(super) async fn title_open(&self, title: StoredTitle<'_>) -> Result<String, DatabaseError> {
        match title.sealed {
            Some(sealed) if title.clear.is_empty() => {
                let key = self.keys.of(title.organization).await?;
                let opened = key.row(title.titled.table(), title.uid).open(COLUMN, Some(sealed))?;
                // Sealed against whoever reads the database; an answer with it is no disclosure.
                Ok(opened.map(Phi::into_inner).unwrap_or_default())
            }
            _ => Ok(title.clear.to_owned()),
        }
    }

    /// Opens the title of an appointment that is about to change.
    pub(super) async fn title_of(&self, standing: &Standing) -> Result<String, DatabaseError> {
        let title = StoredTitle {
            titled: Titled::Appointment,
            organization: standing.organization_id,
            uid: standing.uid,
            clear: &standing.title,
            sealed: standing.title_encrypted.as_deref(),
        };
        self.title_open(title).await
    }

    /// An appointment for who may see it.
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

    /// The same for several.
    pub(super) async fn opened_all(&self, rows: Vec<AppointmentRow>) -> Result<Vec<Appointment>, DatabaseError> {
        let mut appointments = Vec::with_capacity(rows.len());
        for row in rows {
            appointments.push(self.opened(row).await?);
        }
        Ok(appointments)
    }
}
