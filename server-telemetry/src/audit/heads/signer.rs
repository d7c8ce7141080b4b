//! Statements about heads, and their signatures.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use server_shared::token::{SignError, Statements};
use uuid::Uuid;

use crate::audit::chain::{Hash, Head};

const ISSUER: &str = "restartix-telemetry";
/// Subject of the statement, in case the key ever signs other statements.
const SUBJECT: &str = "audit-head";

/// Claims of the statement, in the order in which they are written.
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

/// Signs heads and verifies their signatures (`AUDIT_HEAD_KEY`).
#[derive(Debug)]
pub(crate) struct HeadSigner {
    statements: Arc<Statements>,
}

impl HeadSigner {
    /// Makes a signer with the current key and its predecessors.
    pub(crate) fn new(statements: Arc<Statements>) -> Self {
        Self { statements }
    }

    /// Signs the head of a day.
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

    /// Returns `true` if Telemetry signed exactly this head.
    pub(crate) fn is_genuine(&self, head: &Head) -> bool {
        self.statements.verify::<Claims>(&head.statement).is_some_and(|claims| claims == Claims::of(head))
    }

    /// Returns the public keys as JWKs.
    pub(super) fn keys(&self) -> Vec<Value> {
        self.statements.jwks()["keys"].as_array().cloned().unwrap_or_default()
    }
}
