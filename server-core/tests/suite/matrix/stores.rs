//! Stored data that must not change when a request is refused.

use test_support::{Checksums, Contents, CoreApp, LeftOut, eventually};

const LEFT_OUT: [LeftOut; 13] = [
    // The audit rows of refusals are expected; segments are evaluated concurrently.
    LeftOut::Rows(
        "public.audit_log",
        "t.outcome <> 'succeeded' or (t.actor_kind = 'system' and t.entity_type = 'segment')",
    ),
    LeftOut::Rows(
        "public.audit_personal",
        "exists (select from audit_log a where a.id = t.audit_id and a.outcome <> 'succeeded')",
    ),
    // Rows waiting for Telemetry; the entries that they refer to are compared in audit_log.
    LeftOut::Rows("public.audit_outbox", "true"),
    // Housekeeping tasks run concurrently.
    LeftOut::Rows("public.jobs", "t.kind <> 'gdpr_erasure'"),
    // Written once a minute for all keys in use.
    LeftOut::Column("public.api_keys", "last_used_at"),
    // Segments are evaluated concurrently.
    LeftOut::Rows("public.segment_members", "true"),
    LeftOut::Rows("public.segment_history", "true"),
    LeftOut::Column("public.segments", "due_at"),
    LeftOut::Column("public.segments", "evaluated_at"),
    LeftOut::Column("public.segments", "evaluated_rule_version"),
    LeftOut::Column("public.segments", "evaluations"),
    LeftOut::Column("public.segments", "member_count"),
    LeftOut::Column("public.segments", "missing_count"),
];

/// Checksums of a Core's database.
pub(super) struct Stores<'a> {
    app: &'a CoreApp,
    checksums: Checksums,
}

impl<'a> Stores<'a> {
    pub(super) async fn of(app: &'a CoreApp) -> Self {
        Self { app, checksums: Checksums::of(&app.database, &LEFT_OUT).await }
    }

    /// Returns the checksums, once no erasure is in progress.
    pub(super) async fn take(&mut self) -> Contents {
        let open = "select count(*) from jobs where kind = 'gdpr_erasure' and state in ('queued', 'running')";
        eventually("every erasure has ended", 3 * CoreApp::PATIENCE, || async { self.app.count(open).await == 0 })
            .await;
        self.checksums.take().await
    }
}
