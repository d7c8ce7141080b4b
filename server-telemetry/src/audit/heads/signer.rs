//! What is signed of a head.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use server_shared::token::{SignError, Statements};
use uuid::Uuid;

use crate::audit::chain::{Hash, Head};

const ISSUER: &str = "restartix-telemetry";
/// What the statement is about, should the key ever sign anything else.
const SUBJECT: &str = "audit-head";

/// The claims of the statement, in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    organization_id: i64,
    day: NaiveDate,
    position: i64,
    audit_id: Uuid,
    /// Hexadecimal.
    hash: String,
    /// Seconds since 1970.
    iat: i64,
}

impl Claims {
    fn of(head: &Head) -> Self {
        Self {
            iss: ISSUER.to_owned(),
            sub: SUBJECT.to_owned(),
            organization_id: head.organization_id,
            day: head.day,
            position: head.position,
            audit_id: head.audit_id,
            hash: hex::encode(head.hash),
            iat: head.signed_at.timestamp(),
        }
    }
}

/// Signs heads and knows them again (`AUDIT_HEAD_KEY`).
#[derive(Debug)]
pub(crate) struct HeadSigner {
    statements: Arc<Statements>,
}

impl HeadSigner {
    /// With this key, and those before it.
    pub(crate) fn new(statements: Arc<Statements>) -> Self {
        Self { statements }
    }

    /// The head of a day, signed.
    pub(super) fn sign(
        &self,
        organization_id: i64,
        (day, position, audit_id, hash): (NaiveDate, i64, Uuid, Hash),
        signed_at: DateTime<Utc>,
    ) -> Result<Head, SignError> {
        let kid = self.statements.kid().to_owned();
        let mut head =
            Head { organization_id, day, position, audit_id, hash, signed_at, kid, statement: String::new() };
        head.statement = self.statements.sign(&Claims::of(&head))?;
        Ok(head)
    }

    /// Whether we signed exactly this.
    pub(crate) fn is_genuine(&self, head: &Head) -> bool {
        self.statements.verify::<Claims>(&head.statement).is_some_and(|claims| claims == Claims::of(head))
    }

    /// The keys to check with, as JWKs.
    pub(super) fn keys(&self) -> Vec<Value> {
        self.statements.jwks()["keys"].as_array().cloned().unwrap_or_default()
    }
}
