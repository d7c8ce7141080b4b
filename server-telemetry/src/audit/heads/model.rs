//! Signed heads as they are read.

use chrono::{DateTime, NaiveDate, Utc};
use poem_openapi::{
    Object,
    types::{Any, Example},
};
use serde_json::Value;
use server_shared::http::Paging;
use uuid::{Uuid, uuid};

use crate::{
    audit::{chain::Head, model::CursorMeta},
    text::HeadCursor,
};

/// The last link of a day, signed.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct AuditHead {
    /// Whose chain it is; 0 for what belongs to no organization.
    pub organization_id: i64,
    /// The day (UTC) whose last link it is.
    pub day: NaiveDate,
    /// The place of the link in the chain, from 1.
    pub position: i64,
    /// The event that it seals.
    pub audit_id: Uuid,
    /// The hash of the link, hexadecimal.
    pub hash: String,
    /// When it was signed.
    pub signed_at: DateTime<Utc>,
    /// The name of the key; see `/.well-known/jwks.json`.
    pub kid: String,
    /// All of that as a compact JWS (EdDSA). Keep it elsewhere: it is the proof.
    pub statement: String,
}

impl From<Head> for AuditHead {
    fn from(head: Head) -> Self {
        Self {
            organization_id: head.organization_id,
            day: head.day,
            position: head.position,
            audit_id: head.audit_id,
            hash: hex::encode(head.hash),
            signed_at: head.signed_at,
            kid: head.kid,
            statement: head.statement,
        }
    }
}

impl Example for AuditHead {
    fn example() -> Self {
        Self {
            organization_id: 1,
            day: NaiveDate::from_ymd_opt(2025, 11, 9).unwrap_or_default(),
            position: 20_388,
            audit_id: uuid!("019a6b1c-5d7e-7c3a-9b52-3f1e0d6c8a41"),
            hash: "e86e0520d348c9a388e95334c5b0ec2ec496133bcced0e30f3e9cad15acb5d1a".to_owned(),
            signed_at: DateTime::from_timestamp(1_762_732_801, 0).unwrap_or_default(),
            kid: "0f1e2d3c4b5a6978".to_owned(),
            statement: "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhdWRpdC1oZWFkIn0.c2lnbmF0dXJl".to_owned(),
        }
    }
}

/// A stretch of the signed heads, newest first.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct AuditHeadList {
    /// The heads.
    pub data: Vec<AuditHead>,
    /// Where to go on.
    pub meta: CursorMeta,
}

impl Example for AuditHeadList {
    fn example() -> Self {
        Self {
            data: vec![AuditHead::example()],
            meta: CursorMeta { next_cursor: Some(HeadCursor::literal("20401:1").into_inner()) },
        }
    }
}

/// The public keys of signed heads, as a JSON Web Key Set.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(example)]
pub(crate) struct KeySet {
    /// One JSON Web Key each: the present one, and those that signed before it.
    pub keys: Vec<Any<Value>>,
}

impl Example for KeySet {
    fn example() -> Self {
        let key = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "kid": "0f1e2d3c4b5a6978", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        Self { keys: vec![Any(key)] }
    }
}

/// A search for heads.
#[derive(Debug, Clone)]
pub(super) struct HeadFilter {
    /// Only heads of this organization.
    pub organization_id: Option<i64>,
    /// Only heads before that of this day and organization.
    pub cursor: Option<(NaiveDate, i64)>,
    /// Number of heads.
    pub paging: Paging,
}
