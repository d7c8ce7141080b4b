use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::{
    error::FieldFault,
    value::{Key, Name, Prose},
};

use super::stored::AsStored;
use crate::{
    domain::{
        custom_field::FieldEntity,
        field::FieldDefinition,
        form_definition::{FormChange, FormDefinition},
    },
    ids::{CustomFieldId, FormId, FormTemplateId},
};

/// Template of forms: a draft, which can be changed, and published versions, which stay as they are. Lists leave out
/// the draft.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct FormTemplate {
    /// Id of the form template.
    pub(crate) id: FormTemplateId,
    /// Name by which the clinic's staff find it, unique among the templates in use.
    pub(crate) name: String,
    /// Name in links, unique among the templates in use.
    pub(crate) slug: String,
    /// Description for the clinic's staff; forms don't show it.
    pub(crate) description: String,
    /// Number of changes, to be sent with the next one. Publishing does not count as a change.
    pub(crate) version: i64,
    /// Draft: what the next version will ask.
    pub(crate) definition: AsStored<FormDefinition>,
    /// Custom fields that the draft refers to, by id and version, as they are defined in that version.
    pub(crate) fields: Vec<AsStored<FormField>>,
    /// Faults for which the draft can't be published yet, as they were found when it was written, at most 100.
    pub(crate) faults: Vec<AsStored<FormFault>>,
    /// Number of the last published version; absent before the first.
    pub(crate) published_version: Option<i32>,
    /// Time at which that version was published.
    pub(crate) published_at: Option<DateTime<Utc>>,
    /// `true` if the draft differs from the last published version, or if there is none.
    pub(crate) has_unpublished_changes: bool,
    /// Time of archiving, from which on no form is created from it; absent while it is in use.
    pub(crate) archived_at: Option<DateTime<Utc>>,
    /// Time of creation.
    pub(crate) created_at: DateTime<Utc>,
    /// Time of the last change.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Example for FormTemplate {
    fn example() -> Self {
        let FormTemplateSummary {
            id,
            name,
            slug,
            description,
            version,
            published_version,
            published_at,
            has_unpublished_changes,
            archived_at,
            created_at,
            updated_at,
        } = FormTemplateSummary::example();
        Self {
            id,
            name,
            slug,
            description,
            version,
            definition: AsStored::of(&FormDefinition::example()),
            fields: Vec::new(),
            faults: Vec::new(),
            published_version,
            published_at,
            has_unpublished_changes,
            archived_at,
            created_at,
            updated_at,
        }
    }
}

/// Form template without its draft, as lists show it.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct FormTemplateSummary {
    /// Id of the form template.
    pub(crate) id: FormTemplateId,
    /// Name by which the clinic's staff find it, unique among the templates in use.
    pub(crate) name: String,
    /// Name in links, unique among the templates in use.
    pub(crate) slug: String,
    /// Description for the clinic's staff; forms don't show it.
    pub(crate) description: String,
    /// Number of changes, to be sent with the next one.
    pub(crate) version: i64,
    /// Number of the last published version; absent before the first.
    pub(crate) published_version: Option<i32>,
    /// Time at which that version was published.
    pub(crate) published_at: Option<DateTime<Utc>>,
    /// `true` if the draft differs from the last published version, or if there is none.
    pub(crate) has_unpublished_changes: bool,
    /// Time of archiving, from which on no form is created from it; absent while it is in use.
    pub(crate) archived_at: Option<DateTime<Utc>>,
    /// Time of creation.
    pub(crate) created_at: DateTime<Utc>,
    /// Time of the last change.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Example for FormTemplateSummary {
    fn example() -> Self {
        let FormTemplateInput { name, slug: _, description, definition: _ } = FormTemplateInput::example();
        let created_at = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500);
        Self {
            id: FormTemplateId(9),
            name: name.into_inner(),
            slug: "first-visit".to_owned(),
            description: description.into_inner(),
            version: 3,
            published_version: Some(1),
            published_at: Some(created_at),
            has_unpublished_changes: true,
            archived_at: None,
            created_at,
            updated_at: created_at,
        }
    }
}

/// Custom field that a form refers to, as it is defined in the version that the form refers to.
#[derive(Debug, Clone, Object)]
pub(crate) struct FormField {
    /// Id of the custom field.
    pub(crate) custom_field_id: CustomFieldId,
    /// Version of the custom field, from 1.
    pub(crate) version: i32,
    /// Kind of records whose profiles have the custom field.
    pub(crate) entity: FieldEntity,
    /// Key of the custom field.
    pub(crate) key: Key,
    /// Definition of the custom field in this version.
    pub(crate) definition: FieldDefinition,
}

/// Fault for which a draft can't be published.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub(crate) struct FormFault {
    /// JSON pointer into the form template as it is answered, e.g. `/definition/sections/0/items/2/visible_if`.
    pub(crate) pointer: String,
    /// Name of the broken rule, e.g. `unknown_reference` or `cycle`.
    pub(crate) rule: String,
    /// Description of the fault for people.
    pub(crate) message: String,
}

impl From<&FieldFault> for FormFault {
    fn from(fault: &FieldFault) -> Self {
        Self { pointer: fault.pointer.clone(), rule: fault.rule.clone().into_owned(), message: fault.message.clone() }
    }
}

/// Values of a form template, for creating and replacing one.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct FormTemplateInput {
    /// Name by which the clinic's staff find it, unique among the templates in use: case, accents, and the shapes of
    /// quotes and hyphens make no difference.
    pub(crate) name: Name<200>,
    /// Name in links, unique among the templates in use. If left out, a new template derives it from the name, and a
    /// replaced one keeps it.
    #[oai(validator(min_length = 1, max_length = 60, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$"))]
    pub(crate) slug: Option<String>,
    /// Description for the clinic's staff; forms don't show it.
    #[oai(default)]
    pub(crate) description: Prose<0, 2000>,
    /// Draft: what the next version will ask. It may have faults, e.g. conditions on fields that are yet to be added;
    /// the answer lists them, and publishing refuses them.
    pub(crate) definition: FormDefinition,
}

impl Example for FormTemplateInput {
    fn example() -> Self {
        Self {
            name: Name::from_static("First visit"),
            slug: None,
            description: Prose::from_static("Questions before the first examination."),
            definition: FormDefinition::example(),
        }
    }
}

/// Replacement of a form template and its draft.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct UpdateFormTemplate {
    /// Version that the change is based on.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// Values of the form template.
    #[oai(flatten)]
    pub(crate) template: FormTemplateInput,
}

impl Example for UpdateFormTemplate {
    fn example() -> Self {
        Self { version: 3, template: FormTemplateInput::example() }
    }
}

/// Request to publish the draft of a form template.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct PublishFormTemplate {
    /// Version of the form template that was read: what is published is what the administrator has seen.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// Keys of scores that are no protected health information, although they depend on protected answers: their values
    /// can be searched and used in segments. A score that is not listed is protected if one of its inputs is, or if a
    /// protected answer decides about the visibility of an input or of the score. At most 100; it applies to this
    /// version alone, and the audit trail names each score.
    #[oai(default, validator(max_items = 100))]
    pub(crate) clear_phi: Vec<Key>,
}

impl Example for PublishFormTemplate {
    fn example() -> Self {
        Self { version: 3, clear_phi: Vec::new() }
    }
}

/// Result of publishing the draft of a form template.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct FormTemplatePublication {
    /// Id of the form template.
    pub(crate) form_template_id: FormTemplateId,
    /// Number of the new version, from 1.
    pub(crate) version: i32,
    /// SHA-256 of the version's content in its canonical form (RFC 8785), as 64 hexadecimal digits.
    pub(crate) content_hash: String,
    /// Time of publication.
    pub(crate) published_at: DateTime<Utc>,
    /// Differences between this version and the one before; of a first version, there are none.
    pub(crate) changes: Vec<FormChange>,
    /// Forms that can still move to the new version, by `form_migrate`: drafts, and submitted ones without a signature.
    pub(crate) open_forms: OpenForms,
}

impl Example for FormTemplatePublication {
    fn example() -> Self {
        let FormTemplateVersionSummary { form_template_id, version, content_hash, published_at } =
            FormTemplateVersionSummary::example();
        let open_forms = OpenForms::example();
        Self { form_template_id, version, content_hash, published_at, changes: Vec::new(), open_forms }
    }
}

/// Forms on earlier versions of a template that are not signed and not void.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct OpenForms {
    /// Number of the forms.
    pub(crate) total: i64,
    /// Ids of the first 100 in ascending order; `form_list` finds the others by `form_template_id` and
    /// `form_template_version`.
    pub(crate) ids: Vec<FormId>,
}

impl Example for OpenForms {
    fn example() -> Self {
        Self { total: 1, ids: vec![FormId(81)] }
    }
}

/// Published version of a form template, without its content.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example)]
pub(crate) struct FormTemplateVersionSummary {
    /// Id of the form template.
    pub(crate) form_template_id: FormTemplateId,
    /// Number of the version, from 1.
    pub(crate) version: i32,
    /// SHA-256 of the content in its canonical form (RFC 8785), as 64 hexadecimal digits.
    pub(crate) content_hash: String,
    /// Time of publication.
    pub(crate) published_at: DateTime<Utc>,
}

impl Example for FormTemplateVersionSummary {
    fn example() -> Self {
        Self {
            form_template_id: FormTemplateId(9),
            version: 1,
            content_hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
            published_at: DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500),
        }
    }
}

/// Published version of a form template. It never changes.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example)]
pub(crate) struct FormTemplateVersion {
    /// Id of the form template.
    pub(crate) form_template_id: FormTemplateId,
    /// Number of the version, from 1.
    pub(crate) version: i32,
    /// SHA-256 of `content` in its canonical form (RFC 8785), as 64 hexadecimal digits.
    pub(crate) content_hash: String,
    /// Time of publication.
    pub(crate) published_at: DateTime<Utc>,
    /// Content: everything that forms of this version ask and show.
    #[sqlx(try_from = "serde_json::Value")]
    pub(crate) content: AsStored<FormContent>,
}

impl Example for FormTemplateVersion {
    fn example() -> Self {
        let FormTemplateVersionSummary { form_template_id, version, content_hash, published_at } =
            FormTemplateVersionSummary::example();
        let content = FormContent {
            definition: AsStored::of(&FormDefinition::example()),
            fields: Vec::new(),
            phi_cleared: Vec::new(),
        };
        Self { form_template_id, version, content_hash, published_at, content: AsStored::of(&content) }
    }
}

/// Content of a published version: everything that its forms ask and show.
#[derive(Debug, Clone, Object)]
pub(crate) struct FormContent {
    /// Definition of the form.
    pub(crate) definition: AsStored<FormDefinition>,
    /// Custom fields that the definition refers to, by id and version, as they are defined in that version.
    pub(crate) fields: Vec<AsStored<FormField>>,
    /// Keys of the scores that an administrator has published without protection, in alphabetical order.
    pub(crate) phi_cleared: Vec<Key>,
}

/// Order of a list of form templates.
///
/// - `name`: by name, from A to Z
/// - `-name`: by name, from Z to A
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(crate) enum FormTemplateSort {
    /// By name.
    #[default]
    #[oai(rename = "name")]
    Name,
    /// By name, descending.
    #[oai(rename = "-name")]
    NameDescending,
}
