//! Members of a segment as rows of a table.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use server_shared::http::csv::Cell;
use sqlx::postgres::PgRow;

use super::repository::SegmentRow;
use crate::{
    database::{Columns, DatabaseError, List, Rows, Snapshot, Tabular},
    domain::{
        patient::{self, PatientCells, PatientColumn},
        table::table_columns,
    },
    identity::Permission,
    ids::{OrganizationId, SegmentId},
};

/// Column of the membership; it comes first.
const JOINED_AT: &str = "joined_at";
/// Members with the records of their patients, which columns of patients are read from.
///
/// A record is looked up for each member, by its key: of a join, old statistics could make one that reads all patients
/// for each member. A patient that was deleted is a member until the next evaluation.
const MEMBERS: Rows = Rows {
    table: "(select m.organization_id, m.segment_id, m.patient_id, m.joined_at, p.* \
             from segment_members m \
             cross join lateral (\
                 select r.id, r.uid, r.data_key_id, r.first_name, r.last_name, r.email_encrypted, r.phone_encrypted, \
                        r.date_of_birth_encrypted, r.address_encrypted, r.deleted_at \
                 from patients r where r.organization_id = m.organization_id and r.id = m.patient_id offset 0\
             ) as p) as patients",
    present: "deleted_at is null",
};

table_columns! {
    /// Column of a table of the members of a segment.
    ///
    /// - `patient_id`: id of the patient
    /// - `first_name`: first name
    /// - `last_name`: last name
    /// - `email`: e-mail address
    /// - `phone`: telephone number
    /// - `date_of_birth`: date of birth, as YYYY-MM-DD
    /// - `address`: postal address
    /// - `joined_at`: time of the evaluation since which the patient is a member
    /// - `evaluated_at`: time as of which the members are, the same in each row
    pub(crate) enum SegmentMemberColumn {
        PatientId "patient_id",
        FirstName "first_name",
        LastName "last_name",
        Email "email",
        Phone "phone",
        DateOfBirth "date_of_birth",
        Address "address",
        JoinedAt "joined_at",
        EvaluatedAt "evaluated_at",
    }
}

impl SegmentMemberColumn {
    /// Returns the permission without which nobody reads the column.
    pub(crate) fn permission(self) -> Permission {
        self.of_patient().map_or(Permission::SegmentRead, PatientColumn::permission)
    }

    /// Returns the column of the patient's record that it shows; `None` if it is not of the record.
    fn of_patient(self) -> Option<PatientColumn> {
        Some(match self {
            Self::PatientId => PatientColumn::Id,
            Self::FirstName => PatientColumn::FirstName,
            Self::LastName => PatientColumn::LastName,
            Self::Email => PatientColumn::Email,
            Self::Phone => PatientColumn::Phone,
            Self::DateOfBirth => PatientColumn::DateOfBirth,
            Self::Address => PatientColumn::Address,
            Self::JoinedAt | Self::EvaluatedAt => return None,
        })
    }
}

/// Table of the members of a segment, as of its last evaluation.
pub(crate) struct MemberTable {
    segment: SegmentId,
    evaluated_at: Option<DateTime<Utc>>,
    columns: Vec<SegmentMemberColumn>,
    /// Cells of the columns that are of the record.
    patients: PatientCells,
}

impl MemberTable {
    /// Returns the table of the members of `segment`, in the order of the patients' ids; `None` if the caller of the
    /// snapshot sees no such segment.
    pub(crate) async fn of(
        snapshot: &mut Snapshot,
        patients: &patient::Service,
        organization: OrganizationId,
        segment: SegmentId,
        columns: Vec<SegmentMemberColumn>,
    ) -> Result<Option<Self>, DatabaseError> {
        let found = snapshot.list()?.filter("id =", Some(segment)).one::<SegmentRow>().await?;
        let Some(SegmentRow { evaluated_at, .. }) = found else { return Ok(None) };
        let patients = patients.cells(organization, columns.iter().filter_map(|column| column.of_patient()).collect());
        Ok(Some(Self { segment, evaluated_at, columns, patients }))
    }

    fn list<'c>(&self, snapshot: &'c mut Snapshot) -> Result<List<'c>, DatabaseError> {
        Ok(snapshot.list()?.filter("segment_id =", Some(self.segment)))
    }
}

#[async_trait]
impl Tabular for MemberTable {
    fn header(&self) -> Vec<Cell> {
        self.columns.iter().map(|column| Cell::name(column.header())).collect()
    }

    fn batch(&self) -> usize {
        self.patients.batch()
    }

    async fn count(&self, snapshot: &mut Snapshot) -> Result<i64, DatabaseError> {
        self.list(snapshot)?.count(MEMBERS).await
    }

    async fn declare(&self, snapshot: &mut Snapshot) -> Result<(), DatabaseError> {
        let columns: Vec<&'static str> = [JOINED_AT].into_iter().chain(self.patients.sql()).collect();
        self.list(snapshot)?.declare(MEMBERS, &columns, "patient_id").await
    }

    fn row(&self, row: &PgRow) -> Result<Vec<Cell>, DatabaseError> {
        let mut columns = Columns::of(row);
        let joined_at: DateTime<Utc> = columns.read()?;
        let mut of_patient = self.patients.read(&mut columns)?.into_iter();
        let cells = self.columns.iter().map(|column| match column {
            SegmentMemberColumn::JoinedAt => joined_at.into(),
            SegmentMemberColumn::EvaluatedAt => self.evaluated_at.into(),
            // As many as there are columns of the record, in the same order.
            _ => of_patient.next().unwrap_or(Cell::EMPTY),
        });
        Ok(cells.collect())
    }
}
