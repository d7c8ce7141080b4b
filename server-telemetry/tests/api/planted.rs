//! Person with a value in every personal column, and another person beside it.

use restartix_sdk::telemetry::types::{ConsentUpdate, NewAuditEvent, PurposeDecisions, SubjectJoin};
use sqlx::AssertSqlSafe;
use test_support::{TelemetryApp, granted};
use uuid::{Uuid, uuid};

use crate::{
    audit,
    registry::Column,
    support::{batch, consenting, event, patient},
};

pub(crate) const ORGANIZATION: i64 = 1;
/// Ids that occur nowhere else.
pub(crate) const SUBJECT: i64 = 7_300_219_845;
pub(crate) const OTHER: i64 = 8_411_320_956;
/// Patient record that the subject signs in as.
const PATIENT: i64 = 9_522_431_067;

/// Planted values: column (with the way in which it is found, where that matters) and value.
pub(crate) struct Planted {
    pub(crate) values: Vec<(Column, String)>,
    subject: String,
    other: String,
}

/// Id that the subject's client gave a request.
const CLIENT_REQUEST: Uuid = uuid!("7a3d1f0e-9c55-4b7a-8e21-6d0f4b9a2c17");

/// 32 characters, because a pseudonym has 32 bytes.
const IP_HASH: &str = "needle-ip-hash-0123456789abcdefg";

/// Rows of the tables of ClickHouse; `$ACTOR` is the pseudonym in hexadecimal. Each row is inserted twice, into
/// two parts.
const EVENTS: [&str; 4] = [
    "insert into analytics_events (organization_id, event_hour, event_id, name, occurred_at, received_at, actor, role,
         page, properties, numbers, network, ip_hash, agent, os, device)
     values (1, 1, '01990000-0000-7000-8000-000000000001', 'planted', now64(3), now64(3), unhex('$ACTOR'), 'patient',
         '/needle-page', map('k', 'needle-property'), map('n', 918273645.25), 'needle-network-a', '$IP_HASH',
         'needle-agent-a', 'needle-os-a', 'needle-device-a')",
    "insert into media_sessions (organization_id, session_id, actor, day, role, kind, appointment_id, first_seen_at,
         last_seen_at, end_reason, received_at, sequences, active_slots, stalls, qualities, exercises, network, agent,
         os, device)
     values (1, '0e0e0e0e-5e55-4a11-8000-0000000000a1', unhex('$ACTOR'), today(), 'patient', 'call', 918273646,
         now64(3), now64(3), 'needle_end', now64(3), [918273647], [918273648], map(918273649, 5), map(918273650, 2),
         [(7, 'needle-exercise', 1, 0, 0)], 'needle-network-m', 'needle-agent-m', 'needle-os-m', 'needle-device-m')",
    "insert into media_bandwidth_samples (organization_id, session_id, actor, sequence, occurred_at, received_at,
         uplink_kbps, downlink_kbps, round_trip_ms, packet_loss)
     values (1, '0e0e0e0e-5e55-4a11-8000-0000000000a2', unhex('$ACTOR'), 1, now64(3), now64(3), 918273652, 918273653,
         918273654, 77.8125)",
    "insert into pose_frames (organization_id, session_id, actor, offset_ms, exercise_id, occurred_at, received_at,
         landmarks)
     values (1, '0e0e0e0e-5e55-4a11-8000-0000000000a3', unhex('$ACTOR'), 1, 'needle-pose', now64(3), now64(3),
         [12321, 23432])",
];

/// Values in these rows, except the pseudonym.
const VALUES: [(&str, &str, &str); 27] = [
    ("analytics_events", "page", "/needle-page"),
    ("analytics_events", "properties", "needle-property"),
    ("analytics_events", "numbers", "918273645.25"),
    ("analytics_events", "network", "needle-network-a"),
    ("analytics_events", "ip_hash", IP_HASH),
    ("analytics_events", "agent", "needle-agent-a"),
    ("analytics_events", "os", "needle-os-a"),
    ("analytics_events", "device", "needle-device-a"),
    ("media_sessions", "session_id", "0e0e0e0e-5e55-4a11-8000-0000000000a1"),
    ("media_sessions", "appointment_id", "918273646"),
    ("media_sessions", "end_reason", "needle_end"),
    ("media_sessions", "sequences", "918273647"),
    ("media_sessions", "active_slots", "918273648"),
    ("media_sessions", "stalls", "918273649"),
    ("media_sessions", "qualities", "918273650"),
    ("media_sessions", "exercises", "needle-exercise"),
    ("media_sessions", "network", "needle-network-m"),
    ("media_sessions", "agent", "needle-agent-m"),
    ("media_sessions", "os", "needle-os-m"),
    ("media_sessions", "device", "needle-device-m"),
    ("media_bandwidth_samples", "session_id", "0e0e0e0e-5e55-4a11-8000-0000000000a2"),
    ("media_bandwidth_samples", "uplink_kbps", "918273652"),
    ("media_bandwidth_samples", "downlink_kbps", "918273653"),
    ("media_bandwidth_samples", "round_trip_ms", "918273654"),
    ("media_bandwidth_samples", "packet_loss", "77.8125"),
    ("pose_frames", "session_id", "0e0e0e0e-5e55-4a11-8000-0000000000a3"),
    ("pose_frames", "exercise_id", "needle-pose"),
];

impl Planted {
    /// Plants the values.
    pub(crate) async fn new(app: &TelemetryApp) -> Self {
        let text = |word: &str| ConsentUpdate {
            purposes: PurposeDecisions { analytics: true, media: true, pose: true },
            text_version: format!("{word}-text"),
            source: format!("{word}_source"),
        };
        let person = app.person(&patient(ORGANIZATION, SUBJECT));
        granted(person.consent_put().body(text("needle")).send().await, 200);
        let join = SubjectJoin { organization_id: ORGANIZATION, user_id: SUBJECT };
        granted(app.service().privacy_subject_join().subject_id(PATIENT).body(join).send().await, 204);
        let other = consenting(app, ORGANIZATION, OTHER).await;
        granted(person.analytics_track().body(batch(vec![event("of_the_subject")])).send().await, 202);
        granted(other.analytics_track().body(batch(vec![event("of_the_other")])).send().await, 202);
        let (subject, other) = (actor(app, "of_the_subject").await, actor(app, "of_the_other").await);
        for insert in EVENTS {
            for actor in [&subject, &subject, &other] {
                let needles = if *actor == subject { "needle" } else { "thread" };
                let hash = IP_HASH.replace("needle", needles);
                let sql = insert.replace("$ACTOR", actor).replace("$IP_HASH", &hash).replace("needle", needles);
                app.clickhouse.query(&sql_of(&sql, *actor == subject)).await;
            }
        }
        // Merges in the background would change the number of rows.
        for table in ["analytics_events", "media_sessions", "media_bandwidth_samples", "pose_frames"] {
            app.clickhouse.query(&format!("optimize table {table} final")).await;
        }
        rows(app).await;
        let salt = salt(app).await;

        let in_postgres = |table: &str, column: &str, value: &str| {
            (("postgresql".to_owned(), table.to_owned(), column.to_owned()), value.to_owned())
        };
        let in_clickhouse = |table: &str, column: &str, value: &str| {
            (("clickhouse".to_owned(), table.to_owned(), column.to_owned()), value.to_owned())
        };
        let id = SUBJECT.to_string();
        let mut values = vec![
            in_postgres("privacy.consents", "subject_id", &id),
            in_postgres("privacy.consents", "text_version", "needle-text"),
            in_postgres("privacy.consents", "source", "needle_source"),
            in_postgres("privacy.exclusions", "subject_id", &id),
            in_postgres("privacy.exclusions", "created_by", &id),
            in_postgres("audit.audit_personal", "ip", "203.0.113.251"),
            in_postgres("audit.audit_personal", "user_agent", "needle-audit-agent"),
            in_postgres("audit.audit_personal", "client_request_id", &CLIENT_REQUEST.to_string()),
            in_postgres("audit.audit_personal", "salt", &salt),
            in_postgres("audit.audit_logs", "actor_user_id", &id),
            in_postgres("audit.audit_logs", "impersonator_user_id", &id),
            in_postgres("audit.audit_logs", "entity_id", &id),
            in_postgres("audit.audit_logs", "entity_ids", &id),
            in_postgres("privacy.patient_joins", "user_id", &id),
            in_postgres("privacy.erasures", "subject_id", &id),
            in_postgres("ops.access_revocations", "user_id", &id),
            in_postgres("security.sightings", "subject", "needle-sighting-subject"),
            in_postgres("security.sightings", "object", "needle-sighting-object"),
            in_postgres("security.security_events", "actor_user_id", &id),
            in_postgres("security.security_events", "subject", &id),
            in_clickhouse("pose_frames", "landmarks", "12321,23432"),
        ];
        for table in ["analytics_events", "media_sessions", "media_bandwidth_samples", "pose_frames"] {
            values.push(in_clickhouse(table, "actor", &subject));
        }
        values.extend(VALUES.iter().map(|(table, column, value)| in_clickhouse(table, column, value)));
        Self { values, subject, other }
    }

    /// Returns the value that was planted in a column.
    pub(crate) fn needle(&self, column: &Column, found_by: &str) -> &str {
        let planted = self.values.iter().find(|(planted, _)| planted == column);
        let Some((_, needle)) = planted else {
            panic!("nothing is planted in {column:?} (found by {found_by}); plant something in planted.rs")
        };
        needle
    }

    /// Returns all data of the other person, except the exclusion's author.
    pub(crate) async fn of_the_other(&self, app: &TelemetryApp) -> Vec<String> {
        assert_ne!(self.subject, self.other);
        let mut rows = Vec::new();
        for table in ["analytics_events", "media_sessions", "media_bandwidth_samples", "pose_frames"] {
            let sql = format!("select * from {table} where hex(actor) = '{}' order by all format TSV", self.other);
            rows.push(app.clickhouse.query(&sql).await);
        }
        let mut owner = app.database.owner().await;
        for sql in [
            "select (to_jsonb(t) - 'created_by')::text from privacy.exclusions t where subject_id = $1 order by 1",
            "select t::text from privacy.consents t where subject_id = $1 order by 1",
            "select t::text from audit.audit_personal t join audit.audit_logs log on log.id = t.audit_id
             where log.actor_user_id = $1 and log.impersonator_user_id is null order by 1",
        ] {
            let of_table: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(OTHER)
                .fetch_all(&mut owner)
                .await
                .expect("the owner may read");
            assert!(!of_table.is_empty(), "the other person is in none of `{sql}`");
            rows.extend(of_table);
        }
        rows
    }
}

/// The other person has other numbers and ids.
fn sql_of(sql: &str, subject: bool) -> String {
    if subject {
        return sql.to_owned();
    }
    sql.replace("918273", "123456")
        .replace("0000000000a", "0000000000b")
        .replace("77.8125", "0.5")
        .replace("12321, 23432", "1, 2")
        .replace("000000000001'", "000000000002'")
}

/// Adds the rows in PostgreSQL that no operation adds by itself.
async fn rows(app: &TelemetryApp) {
    let mut owner = app.database.owner().await;
    let sql = "insert into privacy.exclusions (organization_id, subject_id, source, created_by)
               values ($1, $2, 'person', $2), ($1, $3, 'admin', $2)";
    let excluded = sqlx::query(AssertSqlSafe(sql)).bind(ORGANIZATION).bind(SUBJECT).bind(OTHER);
    excluded.execute(&mut owner).await.expect("the owner may write");
    let sql = "insert into ops.access_revocations (user_id, organization_id, not_before, expires_at)
               values ($1, $2, now(), now() + interval '1 day'), ($3, $2, now(), now() + interval '1 day')";
    let revoked = sqlx::query(AssertSqlSafe(sql)).bind(SUBJECT).bind(ORGANIZATION).bind(OTHER);
    revoked.execute(&mut owner).await.expect("the owner may write");
    // A finished erasure, and the dry run before it.
    let sql =
        "insert into privacy.erasures (id, organization_id, subject_kind, subject_id, mode, dry_run, requested_at,
                   finished_at)
               values ($1, $2, 'user', $3, 'erase', $4, now() - interval '1 year',
                   now() - interval '1 year')";
    for dry_run in [true, false] {
        let erased = sqlx::query(AssertSqlSafe(sql)).bind(Uuid::now_v7()).bind(ORGANIZATION).bind(SUBJECT);
        erased.bind(dry_run).execute(&mut owner).await.expect("the owner may write");
    }

    let by = |actor: i64, ip: &str, agent: &str| NewAuditEvent {
        actor_user_id: Some(actor),
        ip: Some(ip.to_owned()),
        user_agent: Some(agent.to_owned()),
        client_request_id: Some(if actor == SUBJECT { CLIENT_REQUEST } else { Uuid::new_v4() }),
        ..audit::event(ORGANIZATION)
    };
    let about = NewAuditEvent {
        entity_type: "user".to_owned(),
        entity_id: Some(SUBJECT.to_string()),
        ..by(OTHER, "203.0.113.2", "thread-agent")
    };
    let among = NewAuditEvent {
        entity_type: "user".to_owned(),
        entity_ids: vec![OTHER.to_string(), SUBJECT.to_string()],
        ..by(OTHER, "203.0.113.3", "thread-agent")
    };
    let impersonated =
        NewAuditEvent { impersonator_user_id: Some(SUBJECT), ..by(OTHER, "203.0.113.251", "needle-audit-agent") };
    let events = vec![by(SUBJECT, "203.0.113.251", "needle-audit-agent"), about, among, impersonated];
    granted(app.service().audit_ingest().body(audit::batch(events)).send().await, 202);

    let sql = "insert into security.sightings (organization_id, kind, subject, object, seen_at, audit_id, weight)
               select organization_id, 'planted', 'needle-sighting-subject', 'needle-sighting-object', now(), id, 1
               from audit.audit_logs where actor_user_id = $1 limit 1";
    sqlx::query(AssertSqlSafe(sql)).bind(SUBJECT).execute(&mut owner).await.expect("the owner may write");
    let sql = "insert into security.security_events (id, organization_id, kind, severity, subject, actor_user_id,
                   first_seen_at, last_seen_at, occurrences, threshold, window_seconds, audit_ids)
               values ($1, $2, 'planted', 'low', 'user:' || $3::bigint, $3, now(), now(), 1, 1, 60, '{}')";
    let event = sqlx::query(AssertSqlSafe(sql)).bind(Uuid::now_v7()).bind(ORGANIZATION).bind(SUBJECT);
    event.execute(&mut owner).await.expect("the owner may write");
}

/// Returns the salt of the subject's address, in hexadecimal.
async fn salt(app: &TelemetryApp) -> String {
    let sql = "select encode(salt, 'hex') from audit.audit_personal where user_agent = 'needle-audit-agent' limit 1";
    let salt = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut app.database.owner().await).await;
    salt.expect("the owner may read")
}

/// Returns the pseudonym of the person who tracked this event.
async fn actor(app: &TelemetryApp, event: &str) -> String {
    let sql = format!("select hex(actor) from analytics_events where name = '{event}' limit 1 format TSV");
    app.clickhouse.query(&sql).await.trim().to_owned()
}
