//! Checks afterwards: the audit trail of all actions, and the events that were tracked.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use restartix_sdk::telemetry::types::{ActorKind, AuditLog, AuditOutcome};
use restartix_sdk::{ResponseValue, telemetry};

use super::cast::Users;
use super::page::Page;
use super::report::progress;
use crate::call::answer;

/// Time limit for audit rows from Core to Telemetry. They take less than a second, but the stack may be busy.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pause between two checks.
const PAUSE: Duration = Duration::from_millis(200);
/// Clocks of this program and of the services may differ by so much.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// Actor of an audit row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who {
    Admin,
    Staff,
    Specialist,
    Patient,
}

/// An audit row that must come.
#[derive(Debug)]
struct Expected {
    actor: i64,
    action: &'static str,
    entity_type: &'static str,
    entity_id: String,
    /// Ties the row to the very request that was answered.
    request_id: String,
}

/// Everything that was done so far and must be audited.
pub(super) struct Trail {
    organization: i64,
    users: Users,
    began_at: DateTime<Utc>,
    expected: Vec<Expected>,
}

impl Trail {
    /// Nothing was done yet.
    pub(super) fn new(organization: i64, users: Users) -> Self {
        Self { organization, users, began_at: Utc::now(), expected: Vec::new() }
    }

    /// `who` did it in the request that got this answer.
    pub(super) fn expect<T>(
        &mut self,
        who: Who,
        action: &'static str,
        entity_type: &'static str,
        id: i64,
        answer: &ResponseValue<T>,
    ) -> Result<()> {
        let request_id = answer.headers().get("x-request-id").and_then(|id| id.to_str().ok());
        let request_id = request_id.context("expected a header X-Request-Id, got none")?.to_owned();
        let actor = match who {
            Who::Admin => self.users.admin,
            Who::Staff => self.users.staff,
            Who::Specialist => self.users.specialist,
            Who::Patient => self.users.patient,
        };
        self.expected.push(Expected { actor, action, entity_type, entity_id: id.to_string(), request_id });
        Ok(())
    }

    /// Waits until Telemetry shows all of it, and checks what it shows.
    pub(super) async fn audit(&self, telemetry: &telemetry::Client) -> Result<()> {
        let started = Instant::now();
        let mut missing: Vec<&Expected> = self.expected.iter().collect();
        let mut said = Duration::ZERO;
        loop {
            let mut still = Vec::new();
            for expected in missing {
                match self.find(telemetry, expected).await? {
                    Some(row) => self.check(expected, &row)?,
                    None => still.push(expected),
                }
            }
            missing = still;
            let Some(first) = missing.first() else { return Ok(()) };
            let waited = started.elapsed();
            if waited > PATIENCE {
                bail!(
                    "audit_log_list: expected {} rows within {} s, got {}; the first missing is {first:?}",
                    self.expected.len(),
                    PATIENCE.as_secs(),
                    self.expected.len() - missing.len()
                );
            }
            if waited > said {
                progress(&format!("waiting for {} of {} audit rows", missing.len(), self.expected.len()));
                said = waited + Duration::from_secs(1);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn find(&self, telemetry: &telemetry::Client, expected: &Expected) -> Result<Option<AuditLog>> {
        let list = telemetry.audit_log_list();
        let list = list.entity_type(expected.entity_type).entity_id(expected.entity_id.as_str());
        let list = list.action(expected.action).from(self.began_at - SKEW).page_size(100).send().await;
        let list = answer("audit_log_list", list).await?.into_inner();
        let mut of_request = list.data.into_iter().filter(|row| row.request_id.as_ref() == Some(&expected.request_id));
        let row = of_request.next();
        let others = of_request.count();
        ensure!(others == 0, "audit_log_list: expected one row for {expected:?}, got {}", others + 1);
        Ok(row)
    }

    fn check(&self, expected: &Expected, row: &AuditLog) -> Result<()> {
        let got = (row.organization_id, row.actor_kind, row.actor_user_id, row.outcome);
        let wanted = (self.organization, ActorKind::User, Some(expected.actor), AuditOutcome::Succeeded);
        ensure!(
            got == wanted,
            "audit row {}: expected organization, actor and outcome {wanted:?}, got {got:?}",
            row.id
        );
        Ok(())
    }
}

/// The summary counts what was tracked with consent, each event once.
pub(super) async fn summary(page: &Page<'_>, telemetry: &telemetry::Client) -> Result<()> {
    let summary = telemetry.analytics_summary_get().from(page.opened_at - SKEW).to(Utc::now() + SKEW).send().await;
    let summary = answer("analytics_summary_get", summary).await?.into_inner();
    let count =
        |name: &str| summary.by_event.iter().find(|event| event.name == name).map(|e| (e.events, e.unique_actors));
    for (name, expected) in [(&page.viewed, Some((1, 1))), (&page.finished, Some((1, 1))), (&page.unconsented, None)] {
        let got = count(name);
        ensure!(
            got == expected,
            "analytics_summary_get: expected events and people of {name} {expected:?}, got {got:?}"
        );
    }
    Ok(())
}
