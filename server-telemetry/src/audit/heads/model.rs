//! Signed heads as they are listed.

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

/// Signed head: the last link of a day.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct AuditHead {
    /// Organization of the chain; 0 for the chain of events that belong to none.
    pub organization_id: i64,
    /// Day (UTC) whose last link it is.
    pub day: NaiveDate,
    /// Position of the link in the chain, from 1.
    pub position: i64,
    /// Id of the event that the link seals.
    pub audit_id: Uuid,
    /// Hash of the link, in hexadecimal.
    pub hash: String,
    /// Time of the signature.
    pub signed_at: DateTime<Utc>,
    /// Id of the key that signed; see `/.well-known/jwks.json`.
    pub kid: String,
    /// Signed compact JWS (EdDSA) over the other fields. Keep a copy outside the platform: it is the proof.
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

/// Page of signed heads, newest first.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct AuditHeadList {
    /// Heads of the page.
    pub data: Vec<AuditHead>,
    /// Position of the next page.
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

/// Public keys of signed heads, as a JSON Web Key Set.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(example)]
pub(crate) struct KeySet {
    /// JSON Web Keys: the current key and its predecessors.
    pub keys: Vec<Any<Value>>,
}

impl Example for KeySet {
    fn example() -> Self {
        let key = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "kid": "0f1e2d3c4b5a6978", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        Self { keys: vec![Any(key)] }
    }
}

/// Filter of signed heads.
#[derive(Debug, Clone)]
pub(super) struct HeadFilter {
    /// Selects heads of this organization.
    pub organization_id: Option<i64>,
    /// Selects heads before the one of this day and organization.
    pub cursor: Option<(NaiveDate, i64)>,
    /// Maximum number of heads.
    pub paging: Paging,
}
