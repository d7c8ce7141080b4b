//! Signatures: statements that are hashed one after the other.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object,
    types::{Example, ParseFromJSON as _},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    database::DatabaseError,
    domain::form_definition::{SignerRole, SigningMeaning},
    ids::UserId,
};

/// Signature of a form.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct FormSignature {
    /// Statement that the signer made.
    pub(crate) statement: FormStatement,
    /// SHA-256 of `statement` in its canonical form (RFC 8785), as 64 hexadecimal digits.
    pub(crate) hash: String,
}

impl FormSignature {
    /// Reads a signature from its stored statement and hash.
    pub(super) fn stored(statement: Value, hash: String) -> Result<Self, DatabaseError> {
        // The error's message may repeat what is stored.
        let statement = FormStatement::parse_from_json(Some(statement))
            .map_err(|_| DatabaseError::Damaged("no statement can be read of the signature of a form".to_owned()))?;
        Ok(Self { statement, hash })
    }
}

impl Example for FormSignature {
    fn example() -> Self {
        Self {
            statement: FormStatement::example(),
            hash: "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752".to_owned(),
        }
    }
}

/// Statement of a signer. It is stored as it was hashed, and never changes.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct FormStatement {
    /// Globally unique id of the form.
    pub(crate) form_uid: Uuid,
    /// Place among the signatures of the form, from 1.
    pub(crate) position: i32,
    /// SHA-256 of the form's content in its canonical form (RFC 8785), as 64 hexadecimal digits.
    pub(crate) content_hash: String,
    /// Hash of the signature before; absent for the first one.
    pub(crate) previous_hash: Option<String>,
    /// Id of the user who signed.
    pub(crate) signer_user_id: UserId,
    /// Role in which the user signed.
    pub(crate) signer: SignerRole,
    /// Meaning of the signature.
    pub(crate) meaning: SigningMeaning,
    /// Time of the signature.
    pub(crate) signed_at: DateTime<Utc>,
    /// Seconds since the signer last authenticated; absent if the session does not tell.
    pub(crate) authentication_age_seconds: Option<i64>,
}

impl Example for FormStatement {
    fn example() -> Self {
        Self {
            form_uid: Uuid::from_u128(0x0192_3f5e_7c1a_7b1e_9d3f_5a6b_7c8d_9e0f),
            position: 1,
            content_hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
            previous_hash: None,
            signer_user_id: UserId(7),
            signer: SignerRole::Specialist,
            meaning: SigningMeaning::Completion,
            signed_at: DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500),
            authentication_age_seconds: Some(120),
        }
    }
}
