use poem_openapi::Enum;

/// How specialist and patient meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Modality {
    /// At the clinic.
    InPerson,
    /// By video.
    Video,
}
