//! Patients as rows of a table.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use server_shared::{http::csv::Cell, mark::Phi};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{
    Service,
    model::PatientFilter,
    repository::{PatientRow, PatientSearch, searched},
    service::TABLE,
};
use crate::{
    database::{Columns, DatabaseError, List, Rows, Snapshot, Tabular, Tx},
    domain::table::table_columns,
    encryption::{Encryption, Holder},
    identity::Permission,
    ids::OrganizationId,
};

/// Number of patients that are in memory together. A record has at most some 90 KiB, mostly much less.
const BATCH: usize = 200;
/// The same without sealed columns: at most 1 KiB each. The fewer batches, the less often the database and the service
/// wait for each other.
const BATCH_IN_THE_CLEAR: usize = 2_000;

table_columns! {
    /// Column of a table of patients.
    ///
    /// - `id`: id of the patient
    /// - `uid`: random UUID, for links
    /// - `user_id`: id of the user who signs in as the patient
    /// - `first_name`: first name
    /// - `last_name`: last name
    /// - `email`: e-mail address
    /// - `phone`: telephone number
    /// - `date_of_birth`: date of birth, as YYYY-MM-DD
    /// - `national_id`: number of a national identity document or health insurance
    /// - `address`: postal address
    /// - `emergency_contact`: contact in an emergency
    /// - `clinical_notes`: clinical notes
    /// - `created_at`: time of creation
    /// - `updated_at`: time of the last change
    pub(crate) enum PatientColumn {
        Id "id" = "id",
        Uid "uid" = "uid",
        UserId "user_id" = "user_id",
        FirstName "first_name" = "first_name",
        LastName "last_name" = "last_name",
        Email "email" = "email_encrypted",
        Phone "phone" = "phone_encrypted",
        DateOfBirth "date_of_birth" = "date_of_birth_encrypted",
        NationalId "national_id" = "national_id_encrypted",
        Address "address" = "address_encrypted",
        EmergencyContact "emergency_contact" = "emergency_contact_encrypted",
        ClinicalNotes "clinical_notes" = "clinical_notes_encrypted",
        CreatedAt "created_at" = "created_at",
        UpdatedAt "updated_at" = "updated_at",
    }
}

impl PatientColumn {
    /// Returns the permission without which nobody reads the column.
    pub(crate) fn permission(self) -> Permission {
        match self {
            Self::ClinicalNotes => Permission::ClinicalNotes,
            _ => Permission::PatientList,
        }
    }

    fn is_sealed(self) -> bool {
        match self {
            Self::Email
            | Self::Phone
            | Self::DateOfBirth
            | Self::NationalId
            | Self::Address
            | Self::EmergencyContact
            | Self::ClinicalNotes => true,
            Self::Id
            | Self::Uid
            | Self::UserId
            | Self::FirstName
            | Self::LastName
            | Self::CreatedAt
            | Self::UpdatedAt => false,
        }
    }
}

/// Columns that open the sealed ones; they come first.
const KEY: [&str; 3] = [
    "uid",
    "data_key_id",
    "(select k.wrapped from data_keys k \
      where k.organization_id = patients.organization_id and k.id = patients.data_key_id) as wrapped",
];

/// Cells of these columns, for a table whose rows are of one patient each.
pub(crate) struct PatientCells {
    organization: OrganizationId,
    encryption: Arc<Encryption>,
    columns: Vec<PatientColumn>,
}

/// Table of the patients that meet a filter.
pub(crate) struct PatientTable {
    search: PatientSearch,
    cells: PatientCells,
}

impl Service {
    /// Returns the table of the patients that meet `filter`, in the order of their creation. `tx` reads the country of
    /// the organization, if the filter depends on it.
    pub(crate) async fn table(
        &self,
        tx: &mut impl Tx,
        organization: OrganizationId,
        filter: &PatientFilter,
        columns: Vec<PatientColumn>,
    ) -> Result<PatientTable, DatabaseError> {
        let search = self.search(tx, organization, filter).await?;
        Ok(PatientTable { search, cells: self.cells(organization, columns) })
    }

    /// Returns the cells of columns.
    pub(crate) fn cells(&self, organization: OrganizationId, columns: Vec<PatientColumn>) -> PatientCells {
        PatientCells { organization, encryption: Arc::clone(&self.encryption), columns }
    }
}

impl PatientCells {
    fn is_sealed(&self) -> bool {
        self.columns.iter().any(|column| column.is_sealed())
    }

    /// Returns the number of rows that are in memory together.
    pub(crate) fn batch(&self) -> usize {
        if self.is_sealed() { BATCH } else { BATCH_IN_THE_CLEAR }
    }

    /// Returns the SQL of everything that the cells are made of, for a statement that reads rows named `patients`.
    pub(crate) fn sql(&self) -> impl Iterator<Item = &'static str> {
        let key: &[&'static str] = if self.is_sealed() { &KEY } else { &[] };
        key.iter().copied().chain(self.columns.iter().map(|column| column.sql()))
    }

    /// Makes the cells of a patient from the next columns of a row.
    pub(crate) fn read(&self, columns: &mut Columns<'_>) -> Result<Vec<Cell>, DatabaseError> {
        // The key of a patient takes longer to open than its values, so it is opened only for a table that shows any.
        let key = if self.is_sealed() {
            let (uid, id): (Uuid, Uuid) = (columns.read()?, columns.read()?);
            let holder = Holder::Record { organization: self.organization, id };
            Some((uid, self.encryption.open(holder, columns.read()?)?))
        } else {
            None
        };
        let cipher = key.as_ref().map(|(uid, key)| key.row(TABLE, *uid));
        let mut cells = Vec::with_capacity(self.columns.len());
        for &column in &self.columns {
            cells.push(match column {
                PatientColumn::Id | PatientColumn::UserId => columns.read::<Option<i64>>()?.into(),
                PatientColumn::Uid => columns.read::<Uuid>()?.into(),
                PatientColumn::FirstName | PatientColumn::LastName => Cell::text(columns.read::<String>()?),
                PatientColumn::CreatedAt | PatientColumn::UpdatedAt => columns.read::<DateTime<Utc>>()?.into(),
                sealed => {
                    let value = columns.read::<Option<&[u8]>>()?;
                    let opened = cipher.as_ref().map(|cipher| cipher.open(sealed.header(), value)).transpose()?;
                    opened.flatten().map_or(Ok(Cell::EMPTY), |value| cell(sealed, value))?
                }
            });
        }
        Ok(cells)
    }
}

impl PatientTable {
    fn list<'c>(&self, snapshot: &'c mut Snapshot) -> Result<List<'c>, DatabaseError> {
        Ok(searched(snapshot.list()?, &self.search))
    }
}

#[async_trait]
impl Tabular for PatientTable {
    fn header(&self) -> Vec<Cell> {
        self.cells.columns.iter().map(|column| Cell::name(column.header())).collect()
    }

    fn batch(&self) -> usize {
        self.cells.batch()
    }

    async fn count(&self, snapshot: &mut Snapshot) -> Result<i64, DatabaseError> {
        self.list(snapshot)?.count(Rows::of::<PatientRow>()).await
    }

    async fn declare(&self, snapshot: &mut Snapshot) -> Result<(), DatabaseError> {
        let columns: Vec<&'static str> = self.cells.sql().collect();
        self.list(snapshot)?.declare(Rows::of::<PatientRow>(), &columns, "id").await
    }

    fn row(&self, row: &PgRow) -> Result<Vec<Cell>, DatabaseError> {
        self.cells.read(&mut Columns::of(row))
    }
}

/// Makes a cell of an opened value.
fn cell(column: PatientColumn, value: Phi<String>) -> Result<Cell, DatabaseError> {
    let value = value.into_inner();
    match column {
        PatientColumn::Phone => Ok(Cell::phone(value)),
        PatientColumn::DateOfBirth => {
            let date: Result<NaiveDate, _> = value.parse();
            date.map(Cell::from)
                .map_err(|_| DatabaseError::Damaged("the date of birth of a patient is no date".to_owned()))
        }
        _ => Ok(Cell::text(value)),
    }
}
