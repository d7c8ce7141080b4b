use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use serde_json::Value;
use server_shared::{
    mark::Phi,
    value::{Key, LanguageTag, Moment, Prose},
};
use uuid::Uuid;

use super::{document::FilledFrom, signature::FormSignature};
use crate::{
    domain::{
        form_definition::{FormDefinition, FormEvaluation, SigningMeaning},
        profile::WriteBackOutcome,
    },
    ids::{AppointmentId, FormId, FormTemplateId, PatientId, UserId},
};

/// State of a form.
///
/// - `draft`: it is being filled in
/// - `submitted`: it is complete, and waits for its first signature; saving makes it a draft again
/// - `partly_signed`: it can't change any more, and waits for further signatures
/// - `signed`: it has every signature
/// - `void`: it doesn't count any more
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum FormStatus {
    /// It is being filled in.
    Draft,
    /// It is complete.
    Submitted,
    /// It has a signature, and waits for others.
    PartlySigned,
    /// It has every signature.
    Signed,
    /// It doesn't count any more.
    Void,
}

/// Form about a patient: answers to a published version of a form template.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Form {
    /// Properties of the form.
    #[oai(flatten)]
    pub(crate) summary: FormSummary,
    /// Definition of the form with its texts in the language of the form, or in the requested one, and with the
    /// definitions of its custom fields. Answers to changes leave it out.
    pub(crate) definition: Option<FormDefinition>,
    /// Answers by the keys of fields and groups; a field without an answer is left out. The answer to a group is a list
    /// of entries, each with its `id` and answers by the keys of the group's fields. A draft keeps the answers of
    /// hidden fields.
    pub(crate) values: Phi<BTreeMap<String, Value>>,
    /// Everything that the form shows, requires and computes for these answers; pointers begin with `/values`. Of a
    /// form that is signed or partly signed, it is as it was at the first signature.
    pub(crate) evaluation: Phi<FormEvaluation>,
    /// Origins of the answers that were there from the beginning, by the keys of their fields. An answer that somebody
    /// changed is not listed any more.
    pub(crate) prefilled: BTreeMap<String, FilledFrom>,
    /// Versions of the form that last changed each answer, removed ones included, by the keys of fields; of the fields
    /// in groups by `group/entry/field`, and of entries that were deleted, or added without an answer, by
    /// `group/entry`. Empty from the first signature on.
    pub(crate) changed_in: BTreeMap<String, i64>,
    /// Signatures in their order.
    pub(crate) signatures: Vec<FormSignature>,
    /// Content that was signed, as it was hashed; absent before the first signature.
    pub(crate) content: Option<Phi<Value>>,
    /// Reason for which the form is void; absent if it is not.
    pub(crate) void_reason: Option<Phi<String>>,
}

impl Example for Form {
    fn example() -> Self {
        let values = [("pain_at_rest", 6), ("pain_in_motion", 9)].map(|(key, value)| (key.to_owned(), value.into()));
        Self {
            summary: FormSummary::example(),
            definition: Some(FormDefinition::example()),
            values: Phi::from(BTreeMap::from(values)),
            evaluation: Phi::from(FormEvaluation::empty()),
            prefilled: BTreeMap::new(),
            changed_in: [("pain_at_rest", 2), ("pain_in_motion", 3)].map(|(key, at)| (key.to_owned(), at)).into(),
            signatures: Vec::new(),
            content: None,
            void_reason: None,
        }
    }
}

/// Properties of a form, as lists show it.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct FormSummary {
    /// Id of the form.
    pub(crate) id: FormId,
    /// Globally unique id of the form, which its signed content repeats.
    pub(crate) uid: Uuid,
    /// Id of the patient whom the form is about.
    pub(crate) patient_id: PatientId,
    /// Id of the appointment that the form belongs to; absent if it belongs to none.
    pub(crate) appointment_id: Option<AppointmentId>,
    /// Id of the form template.
    pub(crate) form_template_id: FormTemplateId,
    /// Version of the template that the form asks; nothing but `form_migrate` changes it.
    pub(crate) form_template_version: i32,
    /// Name of the form template, as it was when the form was created.
    pub(crate) name: String,
    /// State of the form.
    pub(crate) status: FormStatus,
    /// Version of the form, to be sent with the next change; increases with each change.
    pub(crate) version: i64,
    /// Language in which the form is filled in; texts without a translation are in the language of the template.
    pub(crate) language: String,
    /// Time until which the form should be submitted; absent if there is none.
    pub(crate) due_at: Option<DateTime<Utc>>,
    /// Time at which the form was found to be overdue; absent if it was not.
    pub(crate) overdue_at: Option<DateTime<Utc>>,
    /// Id of the signed form that this one corrects; absent if it corrects none.
    pub(crate) amends_id: Option<FormId>,
    /// Id of the form that corrects this one, if there is one that is not void.
    pub(crate) amended_by_id: Option<FormId>,
    /// SHA-256 of the signed content in its canonical form (RFC 8785), as 64 hexadecimal digits; absent before the
    /// first signature.
    pub(crate) content_hash: Option<String>,
    /// Id of the user who created the form; absent if it was an API key, or the user was erased.
    pub(crate) created_by_user_id: Option<UserId>,
    /// Time of creation.
    pub(crate) created_at: DateTime<Utc>,
    /// Time of the last change.
    pub(crate) updated_at: DateTime<Utc>,
    /// Time of the submission; absent while it is a draft.
    pub(crate) submitted_at: Option<DateTime<Utc>>,
    /// Time of the last signature; absent until every signature is there.
    pub(crate) signed_at: Option<DateTime<Utc>>,
    /// Time at which the form became void; absent if it is not.
    pub(crate) voided_at: Option<DateTime<Utc>>,
}

impl Example for FormSummary {
    fn example() -> Self {
        let created_at = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500);
        Self {
            id: FormId(81),
            uid: Uuid::from_u128(0x0192_3f5e_7c1a_7b1e_9d3f_5a6b_7c8d_9e0f),
            patient_id: PatientId(12),
            appointment_id: Some(AppointmentId(41)),
            form_template_id: FormTemplateId(9),
            form_template_version: 1,
            name: "First visit".to_owned(),
            status: FormStatus::Draft,
            version: 3,
            language: "en".to_owned(),
            due_at: Some(created_at + chrono::TimeDelta::days(7)),
            overdue_at: None,
            amends_id: None,
            amended_by_id: None,
            content_hash: None,
            created_by_user_id: Some(UserId(7)),
            created_at,
            updated_at: created_at,
            submitted_at: None,
            signed_at: None,
            voided_at: None,
        }
    }
}

/// Request to create a form.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CreateForm {
    /// Id of the form template, of which the last published version is used.
    pub(crate) form_template_id: FormTemplateId,
    /// Id of the patient whom the form is about; required, except from callers who are patients: they can create forms
    /// only for themselves.
    pub(crate) patient_id: Option<PatientId>,
    /// Language in which the form is filled in; the template's own if left out.
    pub(crate) language: Option<LanguageTag>,
    /// Time until which the form should be submitted, within ten years of now; none if left out.
    pub(crate) due_at: Option<Moment>,
}

impl Example for CreateForm {
    fn example() -> Self {
        Self {
            form_template_id: FormTemplateId(9),
            patient_id: Some(PatientId(12)),
            language: Some(LanguageTag::from_static("en")),
            due_at: None,
        }
    }
}

/// Answers to save in a form. Fields that it does not name keep theirs.
#[derive(Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct UpdateForm {
    /// Version of the form that the change is based on. 409 `stale_version` if somebody else has changed one of the
    /// named fields to another value since.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// Answers by the keys of fields and groups, at most 1,000; `null` removes an answer. The value of a group is an
    /// object of entries by their ids (UUIDs that the client chooses), each with answers by the keys of the group's
    /// fields, where `null` removes an answer; an entry of `null` is deleted, and a new id adds one at the end.
    #[oai(default, validator(max_properties = 1_000))]
    pub(crate) values: BTreeMap<String, Value>,
    /// Language in which the form is filled in from now on; as before if left out.
    pub(crate) language: Option<LanguageTag>,
}

/// Hides the answers, which are about a patient.
impl fmt::Debug for UpdateForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateForm").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Example for UpdateForm {
    fn example() -> Self {
        let values = [("pain_at_rest", Value::from(6)), ("pain_in_motion", Value::Null)];
        Self { version: 3, values: values.map(|(key, value)| (key.to_owned(), value)).into(), language: None }
    }
}

/// Version of a form that an action is based on.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct FormVersionInput {
    /// Version of the form that was read: nothing else is submitted or amended.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
}

impl Example for FormVersionInput {
    fn example() -> Self {
        Self { version: 3 }
    }
}

/// Signature to add to a form.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct SignForm {
    /// Version of the form that was read: what is signed is what the signer has seen.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// Meaning of the signature, which has to be the next one of the form.
    pub(crate) meaning: SigningMeaning,
}

impl Example for SignForm {
    fn example() -> Self {
        Self { version: 4, meaning: SigningMeaning::Completion }
    }
}

/// Request to make a form void.
#[derive(Clone, Object)]
#[oai(example)]
pub(crate) struct VoidForm {
    /// Version of the form that was read.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// Reason, 1 to 2,000 characters. It is stored under the patient's key.
    pub(crate) reason: Prose<1, 2000>,
}

/// Hides the reason, which may be about the patient.
impl fmt::Debug for VoidForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoidForm").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Example for VoidForm {
    fn example() -> Self {
        Self { version: 3, reason: Prose::from_static("Filled in for another patient.") }
    }
}

/// Kind of a change of a form.
///
/// - `created`: the form was created; the fields are those that were filled in then
/// - `saved`: answers were saved
/// - `submitted`: the form was submitted; the fields are those whose hidden answers were dropped
/// - `reopened`: answers were saved after the submission, so that the form is a draft again
/// - `migrated`: the form was moved to another version of its template
/// - `signed`: a signature was added
/// - `voided`: the form became void
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum FormHistoryKind {
    /// The form was created.
    Created,
    /// Answers were saved.
    Saved,
    /// The form was submitted.
    Submitted,
    /// The form became a draft again.
    Reopened,
    /// The form was moved to another version of its template.
    Migrated,
    /// A signature was added.
    Signed,
    /// The form became void.
    Voided,
}

/// Order of a list of forms.
///
/// - `-created_at`: the latest first
/// - `created_at`: the earliest first
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(crate) enum FormSort {
    /// The latest first.
    #[default]
    #[oai(rename = "-created_at")]
    CreatedDescending,
    /// The earliest first.
    #[oai(rename = "created_at")]
    Created,
}

/// Conditions of a list of forms; those that are `None` don't restrict it.
#[derive(Debug, Clone, Default)]
pub(crate) struct FormFilter {
    pub(crate) patient: Option<PatientId>,
    pub(crate) appointment: Option<AppointmentId>,
    pub(crate) template: Option<FormTemplateId>,
    pub(crate) template_version: Option<i32>,
    pub(crate) status: Option<FormStatus>,
}

/// Effect of signing a form on the patient's profile.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct FormWriteBack {
    /// Fields that the form writes back, in their order.
    pub(crate) fields: Vec<FormWriteBackField>,
}

impl Example for FormWriteBack {
    fn example() -> Self {
        let field = FormWriteBackField {
            key: Key::from_static("hand"),
            profile_key: Key::from_static("dominant_hand"),
            outcome: WriteBackOutcome::Written,
            value: Some(Phi::from(Value::from("left"))),
            present: None,
        };
        Self { fields: vec![field] }
    }
}

/// Field that a form writes back.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct FormWriteBackField {
    /// Key of the form's field.
    pub(crate) key: Key,
    /// Key of the custom field in the profile.
    pub(crate) profile_key: Key,
    /// Effect of the last signature.
    pub(crate) outcome: WriteBackOutcome,
    /// Value that the form has; absent if it has none.
    pub(crate) value: Option<Phi<Value>>,
    /// Value that the profile has now; absent if it has none, or if the caller's role doesn't read the field.
    pub(crate) present: Option<Phi<Value>>,
}
