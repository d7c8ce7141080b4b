//! Forms of one template as rows of a table, with a column for each field.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use poem_openapi::types::ParseFromJSON as _;
use server_shared::http::csv::Cell;
use sqlx::{FromRow as _, postgres::PgRow};

use super::{
    Service,
    document::FormDocument,
    model::{FormFilter, FormStatus, FormSummary},
    repository::{self, filtered},
    row::FormRow,
    version::TemplateVersion,
};
use crate::{
    database::{DatabaseError, List, Listed as _, Rows, Snapshot, Tabular, Tx},
    domain::{form_definition::FormScoreResult, table::table_columns},
    encryption::Encryption,
    ids::{FormTemplateId, OrganizationId},
};

/// Number of forms that are in memory together: one has up to 2 MiB of answers.
const BATCH: usize = 8;
/// Begin of the names of columns that are no field's. No key of a field has the point.
const PREFIX: &str = "form.";

table_columns! {
    /// Column of a table of forms, besides those of the fields. In the file its name begins with `form.`, because a
    /// field may have the same key.
    ///
    /// - `id`: id of the form
    /// - `uid`: globally unique id of the form
    /// - `patient_id`: id of the patient
    /// - `appointment_id`: id of the appointment that it belongs to
    /// - `form_template_version`: version of the template that it asks
    /// - `status`: state
    /// - `language`: language in which it is filled in
    /// - `due_at`: time until which it should be submitted
    /// - `overdue_at`: time at which it was found to be overdue
    /// - `amends_id`: id of the signed form that it corrects
    /// - `amended_by_id`: id of the form that corrects it
    /// - `created_by_user_id`: id of the user who created it
    /// - `created_at`: time of creation
    /// - `updated_at`: time of the last change
    /// - `submitted_at`: time of the submission
    /// - `signed_at`: time of the last signature
    /// - `voided_at`: time at which it became void
    /// - `is_erased`: `true` if the patient was erased, so that nobody can open the answers
    pub(crate) enum FormColumn {
        Id "id",
        Uid "uid",
        PatientId "patient_id",
        AppointmentId "appointment_id",
        FormTemplateVersion "form_template_version",
        Status "status",
        Language "language",
        DueAt "due_at",
        OverdueAt "overdue_at",
        AmendsId "amends_id",
        AmendedById "amended_by_id",
        CreatedByUserId "created_by_user_id",
        CreatedAt "created_at",
        UpdatedAt "updated_at",
        SubmittedAt "submitted_at",
        SignedAt "signed_at",
        VoidedAt "voided_at",
        IsErased "is_erased",
    }
}

/// Table of the forms of a template that meet a filter.
pub(crate) struct FormTable {
    organization: OrganizationId,
    encryption: Arc<Encryption>,
    filter: FormFilter,
    columns: Vec<FormColumn>,
    /// Names of the columns of fields, groups and scores.
    fields: Vec<String>,
    /// Versions of the template by their numbers.
    versions: HashMap<i32, PlacedVersion>,
}

/// Version of a template with the places of its columns in the table.
struct PlacedVersion {
    version: Arc<TemplateVersion>,
    places: Vec<usize>,
}

impl Service {
    /// Returns the table of the forms of `template` that meet `filter`, in the order of their creation; `None` if
    /// there is no such template, or if it has no version yet.
    ///
    /// A field has one column, named by its key, in the place where the first version had it: a field that has moved or
    /// gone since keeps it.
    pub(crate) async fn table(
        &self,
        tx: &mut impl Tx,
        organization: OrganizationId,
        template: FormTemplateId,
        filter: FormFilter,
        columns: Vec<FormColumn>,
    ) -> Result<Option<FormTable>, DatabaseError> {
        let numbers = repository::template_versions(tx, organization, template).await?;
        if numbers.is_empty() {
            return Ok(None);
        }
        let wanted: Vec<_> = numbers.iter().map(|number| (template, *number)).collect();
        let mut found = self.versions.all(tx, organization, wanted).await?;
        let (mut fields, mut known, mut versions) = (Vec::new(), HashMap::new(), HashMap::new());
        for number in numbers {
            let Some(version) = found.remove(&(template, number)) else { continue };
            let mut place = |name: String| {
                *known.entry(name).or_insert_with_key(|name| {
                    fields.push(name.clone());
                    fields.len() - 1
                })
            };
            let places = version.compiled.columns().into_iter().map(&mut place).collect();
            versions.insert(number, PlacedVersion { version, places });
        }
        let (encryption, filter) = (Arc::clone(&self.encryption), FormFilter { template: Some(template), ..filter });
        Ok(Some(FormTable { organization, encryption, filter, columns, fields, versions }))
    }
}

impl FormTable {
    fn list<'c>(&self, snapshot: &'c mut Snapshot) -> Result<List<'c>, DatabaseError> {
        Ok(filtered(snapshot.list()?, self.organization, &self.filter))
    }

    /// Returns the cells of the answers, in the order of the version's own columns.
    fn answers(&self, row: &FormRow, version: &TemplateVersion) -> Result<Vec<Cell>, DatabaseError> {
        let (key, compiled) = (row.key(&self.encryption, self.organization)?, &version.compiled);
        if let Some(content) = row.content(&key)? {
            let answers = compiled.read_stored(&FormDocument::of_content(&content).answers);
            let scores = content.get("scores").cloned().unwrap_or_default();
            let scores: Vec<FormScoreResult> = Vec::parse_from_json(Some(scores)).unwrap_or_default();
            return Ok(compiled.cells(&answers, None, &scores));
        }
        let answers = compiled.read_stored(&FormDocument::open(row, &key)?.answers);
        // A draft keeps hidden answers, which its submission would drop.
        let evaluation = compiled.evaluate(&answers);
        Ok(compiled.cells(&answers, Some(&evaluation), &compiled.score_results(&evaluation)))
    }
}

#[async_trait]
impl Tabular for FormTable {
    fn header(&self) -> Vec<Cell> {
        let own = self.columns.iter().map(|column| Cell::text(format!("{PREFIX}{}", column.header())));
        own.chain(self.fields.iter().map(|name| Cell::text(name.clone()))).collect()
    }

    fn batch(&self) -> usize {
        BATCH
    }

    async fn count(&self, snapshot: &mut Snapshot) -> Result<i64, DatabaseError> {
        self.list(snapshot)?.count(Rows::of::<FormSummary>()).await
    }

    async fn declare(&self, snapshot: &mut Snapshot) -> Result<(), DatabaseError> {
        self.list(snapshot)?.declare(Rows::of::<FormRow>(), &[FormRow::COLUMNS], "id").await
    }

    fn row(&self, row: &PgRow) -> Result<Vec<Cell>, DatabaseError> {
        let row = FormRow::from_row(row)?;
        let mut cells: Vec<Cell> = self.columns.iter().map(|column| cell(*column, &row)).collect();
        let begin = cells.len();
        cells.resize(begin + self.fields.len(), Cell::EMPTY);
        if !row.is_erased() {
            // Nothing is published within the snapshot.
            let PlacedVersion { version, places } =
                self.versions.get(&row.summary.form_template_version).ok_or_else(|| {
                    DatabaseError::Damaged(format!("form {} asks a version that there is not", row.summary.uid))
                })?;
            for (place, cell) in places.iter().zip(self.answers(&row, version)?) {
                cells[begin + place] = cell;
            }
        }
        Ok(cells)
    }
}

/// Makes the cell of a column that is no field's.
fn cell(column: FormColumn, row: &FormRow) -> Cell {
    match column {
        FormColumn::Id => row.summary.id.0.into(),
        FormColumn::Uid => row.summary.uid.into(),
        FormColumn::PatientId => row.summary.patient_id.0.into(),
        FormColumn::AppointmentId => row.summary.appointment_id.map(|id| id.0).into(),
        FormColumn::FormTemplateVersion => i64::from(row.summary.form_template_version).into(),
        FormColumn::Status => Cell::name(match row.summary.status {
            FormStatus::Draft => "draft",
            FormStatus::Submitted => "submitted",
            FormStatus::PartlySigned => "partly_signed",
            FormStatus::Signed => "signed",
            FormStatus::Void => "void",
        }),
        FormColumn::Language => Cell::text(row.summary.language.clone()),
        FormColumn::DueAt => row.summary.due_at.into(),
        FormColumn::OverdueAt => row.summary.overdue_at.into(),
        FormColumn::AmendsId => row.summary.amends_id.map(|id| id.0).into(),
        FormColumn::AmendedById => row.summary.amended_by_id.map(|id| id.0).into(),
        FormColumn::CreatedByUserId => row.summary.created_by_user_id.map(|id| id.0).into(),
        FormColumn::CreatedAt => row.summary.created_at.into(),
        FormColumn::UpdatedAt => row.summary.updated_at.into(),
        FormColumn::SubmittedAt => row.summary.submitted_at.into(),
        FormColumn::SignedAt => row.summary.signed_at.into(),
        FormColumn::VoidedAt => row.summary.voided_at.into(),
        FormColumn::IsErased => row.is_erased().into(),
    }
}
