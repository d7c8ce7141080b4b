//! Tables of a request.

use std::sync::Arc;

use server_shared::value::Moment;

use super::{
    audit::{AuditColumn, AuditTable},
    error::ExportError,
    event::rows_name,
    input::{AppointmentsExport, CsvExportInput, FormsExport, PatientsExport, SegmentMembersExport},
    model::ExportEntity,
};
use crate::{
    database::{DatabaseError, Snapshot, Tabular},
    domain::{
        appointment::{self, AppointmentColumn, AppointmentFilter},
        form::{self, FormColumn, FormFilter},
        patient::{self, PatientColumn, PatientFilter},
        rules::{FieldFaults, InvalidValue},
        segment::{MemberTable, SegmentMemberColumn},
    },
    identity::{Caller, Permission},
    ids::OrganizationId,
};

/// Largest number of names in an audit entry. Telemetry takes 200.
const NAMED: usize = 190;

/// Request that is valid for its caller: the table is one, and all its columns are named.
pub(super) struct Wanted {
    pub(super) input: CsvExportInput,
    pub(super) entity: ExportEntity,
}

/// Table that is read, with everything that names it.
pub(super) struct Source {
    pub(super) table: Arc<dyn Tabular>,
    pub(super) entity: ExportEntity,
    /// Form template or segment that the rows belong to, as audit entries name it.
    of: Option<String>,
}

impl Wanted {
    /// Checks a request of `caller`, names the columns of a table without any, and reports all faults together.
    pub(super) fn check(caller: &Caller, mut input: CsvExportInput) -> Result<Self, InvalidValue> {
        let mut faults = FieldFaults::default();
        let of = |permission: Permission| caller.may(permission).is_ok();
        if let Some(patients) = &mut input.patients {
            let readable = |column: &PatientColumn| of(column.permission());
            name_columns(&mut patients.columns, PatientColumn::ALL, readable, "/patients", &mut faults);
        }
        if let Some(appointments) = &mut input.appointments {
            let readable = |_: &AppointmentColumn| of(Permission::AppointmentRead);
            name_columns(&mut appointments.columns, AppointmentColumn::ALL, readable, "/appointments", &mut faults);
            check_order(appointments.from, appointments.to, "/appointments/to", &mut faults);
        }
        if let Some(forms) = &mut input.forms {
            let readable = |_: &FormColumn| of(Permission::FormRead);
            name_columns(&mut forms.columns, FormColumn::ALL, readable, "/forms", &mut faults);
        }
        if let Some(members) = &mut input.segment_members {
            let readable = |column: &SegmentMemberColumn| of(Permission::SegmentRead) && of(column.permission());
            name_columns(&mut members.columns, SegmentMemberColumn::ALL, readable, "/segment_members", &mut faults);
        }
        if let Some(audit) = &mut input.audit {
            // The trail is for those who export at all.
            name_columns(&mut audit.columns, AuditColumn::ALL, |_| of(Permission::DataExport), "/audit", &mut faults);
            check_order(Some(audit.from), audit.to, "/audit/to", &mut faults);
        }
        let entities = [
            input.patients.as_ref().map(|_| ExportEntity::Patients),
            input.appointments.as_ref().map(|_| ExportEntity::Appointments),
            input.forms.as_ref().map(|_| ExportEntity::Forms),
            input.segment_members.as_ref().map(|_| ExportEntity::SegmentMembers),
            input.audit.as_ref().map(|_| ExportEntity::Audit),
        ];
        let mut entities = entities.into_iter().flatten();
        let (entity, another) = (entities.next(), entities.next());
        if entity.is_none() || another.is_some() {
            let message = "must have exactly one of patients, appointments, forms, segment_members and audit";
            faults.add("", "one_of", message);
        }
        faults.check()?;
        // There is a fault if there is no entity.
        Ok(Self { input, entity: entity.unwrap_or(ExportEntity::Patients) })
    }
}

/// Makes tables of requests.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) patients: patient::Service,
    pub(crate) appointments: appointment::Service,
    pub(crate) forms: form::Service,
}

impl Sources {
    /// Opens a snapshot by `open` and makes the table of the request in it.
    pub(super) async fn table(
        &self,
        organization: OrganizationId,
        input: &CsvExportInput,
        open: impl Future<Output = Result<Snapshot, DatabaseError>>,
    ) -> Result<(Snapshot, Source), ExportError> {
        // Finds a key, which may need a connection of its own.
        let appointments = match &input.appointments {
            Some(wanted) => Some(self.appointments_table(organization, wanted).await?),
            None => None,
        };
        let mut snapshot = open.await?;
        let source = if let Some(table) = appointments {
            Source { table, entity: ExportEntity::Appointments, of: None }
        } else if let Some(wanted) = &input.patients {
            let table = self.patients_table(&mut snapshot, organization, wanted).await?;
            Source { table, entity: ExportEntity::Patients, of: None }
        } else if let Some(wanted) = &input.forms {
            let table = self.forms_table(&mut snapshot, organization, wanted).await?;
            let of = Some(format!("form_template:{}", wanted.form_template_id.0));
            Source { table, entity: ExportEntity::Forms, of }
        } else if let Some(wanted) = &input.segment_members {
            let table = self.members_table(&mut snapshot, organization, wanted).await?;
            Source { table, entity: ExportEntity::SegmentMembers, of: Some(format!("segment:{}", wanted.segment_id.0)) }
        } else if let Some(wanted) = &input.audit {
            Source { table: Arc::new(AuditTable(wanted.clone())), entity: ExportEntity::Audit, of: None }
        } else {
            return Err(DatabaseError::Damaged("a request for an export names no entity".to_owned()).into());
        };
        Ok((snapshot, source))
    }

    async fn appointments_table(
        &self,
        organization: OrganizationId,
        wanted: &AppointmentsExport,
    ) -> Result<Arc<dyn Tabular>, ExportError> {
        let filter = AppointmentFilter {
            from: wanted.from.map(Moment::get),
            to: wanted.to.map(Moment::get),
            specialist_id: wanted.specialist_id,
            patient_id: wanted.patient_id,
            status: wanted.status,
            template_id: wanted.template_id,
        };
        Ok(Arc::new(self.appointments.table(organization, filter, wanted.columns.clone()).await?))
    }

    async fn patients_table(
        &self,
        snapshot: &mut Snapshot,
        organization: OrganizationId,
        wanted: &PatientsExport,
    ) -> Result<Arc<dyn Tabular>, ExportError> {
        let filter = PatientFilter {
            search: wanted.search.clone(),
            email: wanted.email.clone(),
            phone: wanted.phone.clone(),
            national_id: wanted.national_id.clone(),
        };
        Ok(Arc::new(self.patients.table(snapshot, organization, &filter, wanted.columns.clone()).await?))
    }

    async fn forms_table(
        &self,
        snapshot: &mut Snapshot,
        organization: OrganizationId,
        wanted: &FormsExport,
    ) -> Result<Arc<dyn Tabular>, ExportError> {
        let filter = FormFilter {
            patient: wanted.patient_id,
            appointment: wanted.appointment_id,
            template: Some(wanted.form_template_id),
            template_version: wanted.form_template_version,
            status: wanted.status,
        };
        let (template, columns) = (wanted.form_template_id, wanted.columns.clone());
        let table = self.forms.table(snapshot, organization, template, filter, columns).await?;
        let message = "is no form template of this organization with a published version";
        let unknown = || InvalidValue::new("/forms/form_template_id", "unknown_reference", message);
        Ok(Arc::new(table.ok_or_else(unknown)?))
    }

    async fn members_table(
        &self,
        snapshot: &mut Snapshot,
        organization: OrganizationId,
        wanted: &SegmentMembersExport,
    ) -> Result<Arc<dyn Tabular>, ExportError> {
        let (segment, columns) = (wanted.segment_id, wanted.columns.clone());
        let table = MemberTable::of(snapshot, &self.patients, organization, segment, columns).await?;
        let message = "is no segment of this organization";
        let unknown = || InvalidValue::new("/segment_members/segment_id", "unknown_reference", message);
        Ok(Arc::new(table.ok_or_else(unknown)?))
    }
}

impl Source {
    /// Returns the names of an export for audit entries: the entity, the form template or segment, the number of rows
    /// if it is known, and the columns, those of a group once. Values of filters are left out: they may name a person.
    pub(super) fn names(&self, rows: Option<u64>) -> Vec<String> {
        let mut names = vec![format!("entity:{}", self.entity.as_str())];
        names.extend(self.of.clone());
        names.extend(rows.map(rows_name));
        for cell in self.table.header() {
            let name = cell.as_str();
            let name = name.split_once('/').map_or(name, |(group, _)| group);
            if names.len() >= NAMED {
                break;
            }
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }
}

/// Names all columns that the caller reads, if the request names none, and adds a fault for each that the caller
/// doesn't read.
fn name_columns<C: Copy>(
    columns: &mut Vec<C>,
    all: &[C],
    is_readable: impl Fn(&C) -> bool,
    at: &str,
    faults: &mut FieldFaults,
) {
    if columns.is_empty() {
        columns.extend(all.iter().filter(|column| is_readable(column)));
    }
    for (place, _) in columns.iter().enumerate().filter(|(_, column)| !is_readable(column)) {
        faults.add(format!("{at}/columns/{place}"), "not_readable", "is a column that your role does not read");
    }
}

/// Adds a fault if a range ends before it begins.
fn check_order(from: Option<Moment>, to: Option<Moment>, at: &str, faults: &mut FieldFaults) {
    if from.zip(to).is_some_and(|(from, to)| to.get() < from.get()) {
        faults.add(at, "order", "must not be before `from`");
    }
}
