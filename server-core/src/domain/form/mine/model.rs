use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};

use super::super::model::Form;

/// Largest number of forms that are listed. Each comes with its definition and answers, which may be large.
pub(super) const LISTED: i64 = 20;

/// Forms that wait for a patient.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct DueForms {
    /// Forms, those that are due first at the beginning; at most 20.
    pub(crate) data: Vec<DueForm>,
}

impl Example for DueForms {
    fn example() -> Self {
        Self { data: vec![DueForm::example()] }
    }
}

/// Form that waits for its patient, with its definition.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct DueForm {
    /// Form.
    #[oai(flatten)]
    pub(crate) form: Form,
    /// Start of the appointment that the form belongs to; absent if it belongs to none.
    pub(crate) appointment_started_at: Option<DateTime<Utc>>,
}

impl Example for DueForm {
    fn example() -> Self {
        let form = Form::example();
        let appointment_started_at = form.summary.due_at;
        Self { form, appointment_started_at }
    }
}
