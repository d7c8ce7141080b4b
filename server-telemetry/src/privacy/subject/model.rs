//! Consents that Core collects for a person.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use server_shared::value::Moment;
use uuid::Uuid;

use crate::{
    privacy::Purpose,
    text::{Identifier, Word},
};

/// Decisions on consent that Core collected for a person.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields)]
pub(crate) struct SubjectConsentUpdate {
    /// Organization that asked for consent.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    pub organization_id: i64,
    /// Decisions, at least one and at most 20. If several concern the same purpose, the latest counts.
    #[oai(validator(min_items = 1, max_items = 20))]
    pub decisions: Vec<SubjectDecision>,
    /// Place of the decisions, e.g. `onboarding`.
    pub source: Word,
}

/// Decision on one purpose.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct SubjectDecision {
    /// Id that Core gave the decision. A decision of a patient whose id is stored already is not stored again.
    pub id: Uuid,
    /// Purpose of the decision.
    pub purpose: Purpose,
    /// `true` if data may be stored for this purpose.
    pub granted: bool,
    /// Version of the text that the person was shown.
    pub text_version: Identifier,
    /// Time of the decision by Core's clock; a time in the future becomes the time of arrival.
    pub decided_at: Moment,
}

impl Example for SubjectConsentUpdate {
    fn example() -> Self {
        let decision = SubjectDecision {
            id: Uuid::from_u128(0x019a_6b1c_5d7e_7c3a_9b52_3f1e_0d6c_8a42),
            purpose: Purpose::Media,
            granted: true,
            text_version: Identifier::literal("2026-11"),
            decided_at: Moment::nearest(DateTime::from_timestamp(1_762_765_200, 0).unwrap_or_default()),
        };
        Self { organization_id: 3, decisions: vec![decision], source: Word::literal("onboarding") }
    }
}

/// User who has accepted to sign in as a patient.
#[derive(Debug, Clone, Copy, Object)]
#[oai(example, deny_unknown_fields)]
pub(crate) struct SubjectJoin {
    /// Organization of the patient.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    pub organization_id: i64,
    /// Id of the user in Core.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    pub user_id: i64,
}

impl Example for SubjectJoin {
    fn example() -> Self {
        Self { organization_id: 3, user_id: 4711 }
    }
}

/// Decisions as columns, for one statement.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    pub ids: Vec<Uuid>,
    pub purposes: Vec<String>,
    pub granted: Vec<bool>,
    pub text_versions: Vec<String>,
    pub sources: Vec<String>,
    pub times: Vec<DateTime<Utc>>,
}

impl From<&SubjectConsentUpdate> for Decisions {
    fn from(update: &SubjectConsentUpdate) -> Self {
        let mut all = Self::default();
        for decision in &update.decisions {
            all.ids.push(decision.id);
            all.purposes.push(decision.purpose.as_str().to_owned());
            all.granted.push(decision.granted);
            all.text_versions.push(decision.text_version.as_ref().to_owned());
            all.sources.push(update.source.as_ref().to_owned());
            all.times.push(decision.decided_at.get());
        }
        all
    }
}
