//! Conditions on one subject, and their part of the statement.

use chrono::{DateTime, Utc};

use super::{statement::Statement, test::Test};
use crate::ids::{AppointmentTemplateId, CustomFieldId, FormTemplateId, PatientId, SegmentId};

/// Kind of rows that a rule reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::domain::segment) enum Source {
    Patients,
    Profiles,
    Appointments,
    Forms,
    Segments,
}

impl Source {
    /// Returns the source as the database writes it.
    pub(in crate::domain::segment) fn as_str(self) -> &'static str {
        match self {
            Self::Patients => "patients",
            Self::Profiles => "profiles",
            Self::Appointments => "appointments",
            Self::Forms => "forms",
            Self::Segments => "segments",
        }
    }
}

/// Condition on one subject.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) subject: Subject,
    pub(super) test: Test,
    /// Result for a patient without a value; `None` if it is unknown.
    pub(super) absent: Option<bool>,
    /// `true` if the condition is the opposite of the test.
    pub(super) reversed: bool,
}

/// Subject of a condition, with everything named resolved.
#[derive(Debug)]
pub(super) enum Subject {
    /// Expression on a row of `patients`.
    Attribute(&'static str),
    /// Value of a custom field in one of these versions.
    Field {
        id: CustomFieldId,
        versions: Vec<i32>,
        column: &'static str,
    },
    /// Number of appointments that begin between these moments.
    Count {
        filter: Filter,
        from: Option<DateTime<Utc>>,
        until: Option<DateTime<Utc>>,
    },
    /// Property of the last appointment that has begun by `now`, or of the next one.
    Edge {
        filter: Filter,
        edge: Edge,
        now: DateTime<Utc>,
        column: &'static str,
    },
    /// Answer or score of the latest form, if it asks one of these versions.
    Answer {
        template: FormTemplateId,
        versions: Vec<i32>,
        key: String,
        is_score: bool,
        column: &'static str,
    },
    Member(SegmentId),
}

/// Appointments that count.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) statuses: Vec<&'static str>,
    /// Any if empty.
    pub(super) templates: Vec<AppointmentTemplateId>,
}

/// End of the row of appointments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    Last,
    Next,
}

impl Subject {
    pub(super) fn source(&self) -> Source {
        match self {
            Self::Attribute(_) => Source::Patients,
            Self::Field { .. } => Source::Profiles,
            Self::Count { .. } | Self::Edge { .. } => Source::Appointments,
            Self::Answer { .. } => Source::Forms,
            Self::Member(_) => Source::Segments,
        }
    }
}

impl Leaf {
    /// Writes the query of patients with a value, each with the number of the leaf and the result of its test; of one
    /// patient, if there is one. It joins no tables, because no plan of a join is good whatever statistics say.
    pub(super) fn write(&self, sql: &mut Statement, number: usize, of: Option<PatientId>) {
        match &self.subject {
            Subject::Attribute(expression) => {
                sql.push("select p.id as patient_id, ").number(number).push(" as leaf, (");
                self.test.write(sql, &[*expression]);
                sql.push(") as truth from patients p where p.organization_id = $1 and p.deleted_at is null");
                only(sql, " and p.id = ", of);
            }
            Subject::Field { id, versions, column } => {
                sql.push("select v.owner_id as patient_id, ").number(number).push(" as leaf, (");
                self.test.write(sql, &["v.", *column]);
                sql.push(") as truth from profile_values v where v.organization_id = $1 and v.entity = 'patient'");
                sql.push(" and v.custom_field_id = ").bind(id.0);
                sql.push(" and v.field_version = any (").bind(versions.clone()).push(") and v.");
                sql.push(column).push(" is not null");
                only(sql, " and v.owner_id = ", of);
            }
            Subject::Count { filter, from, until } => {
                sql.push("select a.patient_id, ").number(number).push(" as leaf, (");
                self.test.write(sql, &["count(*)"]);
                sql.push(") as truth");
                filter.write(sql, of);
                if let Some(from) = from {
                    sql.push(" and a.started_at >= ").bind(*from);
                }
                if let Some(until) = until {
                    sql.push(" and a.started_at < ").bind(*until);
                }
                sql.push(" group by a.patient_id");
            }
            Subject::Edge { filter, edge, now, column } => {
                sql.push("select distinct on (a.patient_id) a.patient_id, ")
                    .number(number)
                    .push(" as leaf, case when a.");
                // A value that the appointment lacks is missing, and not that of another appointment.
                sql.push(column).push(" is not null then (");
                self.test.write(sql, &["a.", *column]);
                sql.push(") end as truth");
                filter.write(sql, of);
                let (range, order) = match edge {
                    Edge::Last => (" and a.started_at <= ", " order by a.patient_id, a.started_at desc, a.id desc"),
                    Edge::Next => (" and a.started_at > ", " order by a.patient_id, a.started_at, a.id"),
                };
                sql.push(range).bind(*now).push(order);
            }
            Subject::Answer { template, versions, key, is_score, column } => {
                sql.push("select l.patient_id, ").number(number).push(" as leaf, (select (");
                self.test.write(sql, &["a.", *column]);
                sql.push(") from form_answers a where a.organization_id = $1 and a.form_id = l.form_id and a.key = ");
                sql.bind(key.as_str())
                    .push(" and a.group_key is null and a.entry is null and a.is_score = ")
                    .bind(*is_score);
                sql.push(" and a.").push(column).push(" is not null) as truth from (");
                latest(sql, *template, of);
                sql.push(") l where l.version = any (").bind(versions.clone()).push(")");
            }
            Subject::Member(segment) => {
                sql.push("select m.patient_id, ").number(number).push(" as leaf, true as truth");
                sql.push(" from segment_members m where m.organization_id = $1 and m.segment_id = ").bind(segment.0);
                only(sql, " and m.patient_id = ", of);
            }
        }
    }
}

impl Filter {
    /// Writes the rows of appointments that count.
    fn write(&self, sql: &mut Statement, of: Option<PatientId>) {
        sql.push(" from appointments a where a.organization_id = $1 and a.deleted_at is null and a.status = any (");
        let statuses: Vec<String> = self.statuses.iter().map(|status| (*status).to_owned()).collect();
        sql.bind(statuses).push(")");
        if !self.templates.is_empty() {
            let templates: Vec<i64> = self.templates.iter().map(|id| id.0).collect();
            sql.push(" and a.appointment_template_id = any (").bind(templates).push(")");
        }
        only(sql, " and a.patient_id = ", of);
    }
}

/// Writes the query of the latest submitted forms of a template that are not void, each with its patient and version.
/// A form keeps naming the record that it was made for.
fn latest(sql: &mut Statement, template: FormTemplateId, of: Option<PatientId>) {
    sql.push(
        "select distinct on (o.patient_id) o.patient_id, o.form_id, o.version \
         from (select coalesce((select m.owner_id from patient_merges m \
                                where m.organization_id = $1 and m.patient_id = f.patient_id), f.patient_id) \
                          as patient_id, \
                      f.id as form_id, f.form_template_version as version, f.submitted_at \
               from forms f \
               where f.organization_id = $1 and f.submitted_at is not null and f.form_template_id = ",
    );
    sql.bind(template.0);
    if let Some(patient) = of {
        sql.push(" and f.patient_id = any (array(select m.patient_id from patient_merges m ");
        sql.push("where m.organization_id = $1 and m.owner_id = ").bind(patient.0);
        sql.push("::bigint) || ").bind(patient.0).push("::bigint)");
    }
    // A count is not turned into a join.
    sql.push(
        " and (select count(*) from form_voids w where w.organization_id = $1 and w.form_id = f.id) = 0) o \
         order by o.patient_id, o.submitted_at desc, o.form_id desc",
    );
}

/// Writes the condition on one patient, if there is one.
fn only(sql: &mut Statement, condition: &'static str, of: Option<PatientId>) {
    if let Some(patient) = of {
        sql.push(condition).bind(patient.0);
    }
}
