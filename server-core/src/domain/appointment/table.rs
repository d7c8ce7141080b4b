//! Appointments as rows of a table.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use server_shared::{http::csv::Cell, mark::Phi};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{
    Service,
    model::AppointmentFilter,
    repository::filtered,
    row::AppointmentRow,
    title::{TitleSeal, Titled},
};
use crate::{
    database::{Columns, DatabaseError, List, Rows, Snapshot, Tabular},
    domain::table::table_columns,
    ids::OrganizationId,
};

/// Number of appointments that are in memory together.
const BATCH: usize = 1000;

table_columns! {
    /// Column of a table of appointments.
    ///
    /// - `id`: id of the appointment
    /// - `uid`: random UUID, for links and calendar feeds
    /// - `title`: subject
    /// - `status`: status
    /// - `started_at`: start
    /// - `ended_at`: end
    /// - `specialist_id`: id of the specialist
    /// - `patient_id`: id of the patient
    /// - `appointment_template_id`: id of the appointment template that it was booked with
    /// - `appointment_series_id`: id of its series
    /// - `specialty_id`: id of its specialty
    /// - `modality`: form of the meeting
    /// - `user_id`: id of the user who booked it
    /// - `hold_expires_at`: time at which a hold lapses
    /// - `cancelled_at`: time of the cancellation
    /// - `cancellation_reason`: reason for the cancellation
    /// - `created_at`: time of creation
    /// - `updated_at`: time of the last change
    pub(crate) enum AppointmentColumn {
        Id "id" = "id",
        Uid "uid" = "uid",
        Title "title" = "title",
        Status "status" = "status",
        StartedAt "started_at" = "started_at",
        EndedAt "ended_at" = "ended_at",
        SpecialistId "specialist_id" = "specialist_id",
        PatientId "patient_id" = "patient_id",
        AppointmentTemplateId "appointment_template_id" = "appointment_template_id",
        AppointmentSeriesId "appointment_series_id" = "appointment_series_id",
        SpecialtyId "specialty_id" = "specialty_id",
        Modality "modality" = "modality",
        UserId "user_id" = "user_id",
        HoldExpiresAt "hold_expires_at" = "hold_expires_at",
        CancelledAt "cancelled_at" = "cancelled_at",
        CancellationReason "cancellation_reason" = "cancellation_reason",
        CreatedAt "created_at" = "created_at",
        UpdatedAt "updated_at" = "updated_at",
    }
}

/// Columns that open the title; they come first.
const TITLE: [&str; 2] = ["uid", "title_encrypted"];

/// Table of the appointments that meet a filter.
pub(crate) struct AppointmentTable {
    filter: AppointmentFilter,
    columns: Vec<AppointmentColumn>,
    /// `None` if no title is shown.
    titles: Option<TitleSeal>,
}

impl Service {
    /// Returns the table of the appointments that meet `filter`, in the order of their start. May read a key, so no
    /// transaction may be open.
    pub(crate) async fn table(
        &self,
        organization: OrganizationId,
        filter: AppointmentFilter,
        columns: Vec<AppointmentColumn>,
    ) -> Result<AppointmentTable, DatabaseError> {
        let titles = if columns.contains(&AppointmentColumn::Title) {
            Some(TitleSeal::of(&self.keys, organization).await?)
        } else {
            None
        };
        Ok(AppointmentTable { filter, columns, titles })
    }
}

impl AppointmentTable {
    fn list<'c>(&self, snapshot: &'c mut Snapshot) -> Result<List<'c>, DatabaseError> {
        Ok(filtered(snapshot.list()?, &self.filter))
    }
}

#[async_trait]
impl Tabular for AppointmentTable {
    fn header(&self) -> Vec<Cell> {
        self.columns.iter().map(|column| Cell::name(column.header())).collect()
    }

    fn batch(&self) -> usize {
        BATCH
    }

    async fn count(&self, snapshot: &mut Snapshot) -> Result<i64, DatabaseError> {
        self.list(snapshot)?.count(Rows::of::<AppointmentRow>()).await
    }

    async fn declare(&self, snapshot: &mut Snapshot) -> Result<(), DatabaseError> {
        let title: &[&str] = if self.titles.is_some() { &TITLE } else { &[] };
        let columns = self.columns.iter().map(|column| column.sql());
        let columns: Vec<&'static str> = title.iter().copied().chain(columns).collect();
        self.list(snapshot)?.declare(Rows::of::<AppointmentRow>(), &columns, "started_at, id").await
    }

    fn row(&self, row: &PgRow) -> Result<Vec<Cell>, DatabaseError> {
        let mut columns = Columns::of(row);
        let mut title = String::new();
        if let Some(titles) = &self.titles {
            let (uid, sealed): (Uuid, Option<&[u8]>) = (columns.read()?, columns.read()?);
            title = titles.open(Titled::Appointment, uid, sealed)?.map(Phi::into_inner).unwrap_or_default();
        }
        let mut cells = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            cells.push(match column {
                AppointmentColumn::Title => {
                    // Takes precedence; see `StoredTitle`.
                    let clear: String = columns.read()?;
                    Cell::text(if clear.is_empty() { std::mem::take(&mut title) } else { clear })
                }
                AppointmentColumn::Uid => columns.read::<Uuid>()?.into(),
                // Words of the program.
                AppointmentColumn::Status | AppointmentColumn::Modality | AppointmentColumn::CancellationReason => {
                    columns.read::<Option<String>>()?.map_or(Cell::EMPTY, Cell::text)
                }
                AppointmentColumn::StartedAt
                | AppointmentColumn::EndedAt
                | AppointmentColumn::HoldExpiresAt
                | AppointmentColumn::CancelledAt
                | AppointmentColumn::CreatedAt
                | AppointmentColumn::UpdatedAt => columns.read::<Option<DateTime<Utc>>>()?.into(),
                AppointmentColumn::Id
                | AppointmentColumn::SpecialistId
                | AppointmentColumn::PatientId
                | AppointmentColumn::AppointmentTemplateId
                | AppointmentColumn::AppointmentSeriesId
                | AppointmentColumn::SpecialtyId
                | AppointmentColumn::UserId => columns.read::<Option<i64>>()?.into(),
            });
        }
        Ok(cells)
    }
}
