//! `/v1/audit/heads`: a signed part of a chain cannot be cut off or rewritten unnoticed; old months may be
//! dropped.

use std::time::Duration;

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use restartix_sdk::telemetry::types::{AuditFaultKind, AuditHead, NewAuditEvent};
use serde_json::Value;
use test_support::{TelemetryApp, eventually, granted, refused, until};
use uuid::Uuid;

use crate::{
    audit::{event, ingest},
    chain::{count, personal, tamper, verify},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Moves everything that is sealed some days into the past, and lets the service look for days that are over.
async fn days_pass(app: &mut TelemetryApp, days: u8) {
    app.sealed().await;
    let sql = format!(
        "update audit.audit_chain set sealed_at = sealed_at - interval '{days} days'
         where sealed_at > now() - interval '12 hours'"
    );
    tamper(app, &sql).await;
    app.server.stop().await;
    app.server.start().await;
}

/// Waits until there are so many heads. Reads the database, because a request would add an entry to the trail.
async fn signed(app: &TelemetryApp, wanted: i64) {
    let sql = "select count(*) from audit.audit_heads";
    let enough = || async { count(&mut app.database.owner().await, sql).await >= wanted };
    eventually("the heads are signed", PATIENCE, enough).await;
}

async fn heads(app: &TelemetryApp, organization: i64, wanted: usize) -> Vec<AuditHead> {
    let what = format!("organization {organization} has {wanted} signed heads");
    let admin = app.admin(organization);
    until(what, PATIENCE, || async {
        let heads = granted(admin.audit_head_list().send().await, 200).data;
        (heads.len() >= wanted).then_some(heads)
    })
    .await
    .0
}

#[tokio::test]
async fn the_head_of_each_day_is_signed_once_and_anybody_can_check_it() {
    let mut app = TelemetryApp::start().await;
    ingest(&app, vec![event(1), event(1), event(2)]).await;
    days_pass(&mut app, 2).await;
    let (ours, theirs) = (heads(&app, 1, 1).await, heads(&app, 2, 1).await);
    assert_eq!((ours.len(), ours[0].position, theirs[0].position), (1, 2, 1));
    let yesterday = (Utc::now() - Duration::from_hours(24)).naive_utc().date();
    assert!(ours[0].day < yesterday, "{ours:?}");

    let keys = granted(app.client("").jwks_get().send().await, 200);
    let header = decode_header(&ours[0].statement).expect("a JWS");
    let key = keys.keys.iter().find(|key| key["kid"].as_str() == header.kid.as_deref()).expect("the key is published");
    let key = DecodingKey::from_ed_components(key["x"].as_str().expect("its public half")).expect("a key");
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    let claims = decode::<Value>(&ours[0].statement, &key, &validation).expect("the signature is good").claims;
    assert_eq!((claims["organization_id"].as_i64(), claims["position"].as_i64()), (Some(1), Some(2)));
    assert_eq!((claims["hash"].as_str(), claims["sub"].as_str()), (Some(ours[0].hash.as_str()), Some("audit-head")));

    // Later events do not change the head; the next day has its own.
    ingest(&app, vec![event(1)]).await;
    days_pass(&mut app, 1).await;
    let later = heads(&app, 1, 2).await;
    assert_eq!((later.len(), &later[1]), (2, &ours[0]), "newest first, and the first as it was");
    let verification = verify(&app, 1).await;
    assert!(verification.intact, "{verification:?}");
    assert_eq!(verification.signed.map(|signed| signed.position), Some(later[0].position));

    // Page by page, and of all organizations for those who are allowed.
    refused(app.admin(1).audit_head_list().organization_id(2).send().await, 404, "organization_not_found");
    refused(app.admin(1).audit_head_list().cursor("tomorrow").send().await, 400, "invalid_parameter");
    let superadmin = app.superadmin();
    let all = granted(superadmin.audit_head_list().send().await, 200).data;
    let (mut read, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let list = superadmin.audit_head_list().page_size(1);
        let list = if let Some(cursor) = cursor { list.cursor(cursor) } else { list };
        let page = granted(list.send().await, 200);
        read.extend(page.data);
        cursor = page.meta.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(read, all);
    assert!(all.len() >= 4, "two of each organization: {all:?}");
}

#[tokio::test]
async fn what_was_signed_cannot_be_cut_off_or_written_anew() {
    use AuditFaultKind as Fault;
    let mut app = TelemetryApp::start().await;
    for organization in 1..=3 {
        ingest(&app, (0..4).map(|_| personal(organization)).collect()).await;
    }
    days_pass(&mut app, 1).await;
    for organization in 1..=3 {
        heads(&app, organization, 1).await;
        assert!(verify(&app, organization).await.intact);
    }
    app.sealed().await;
    for (organization, what, sql, kind, position) in [
        (
            1,
            "the end cut off, with its events",
            "delete from audit.audit_logs where organization_id = 1 and id in
                 (select audit_id from audit.audit_chain where organization_id = 1 and position > 3);
             delete from audit.audit_chain where organization_id = 1 and position > 3",
            Fault::Truncated,
            4,
        ),
        (
            2,
            "a head that says something else than was signed",
            "update audit.audit_heads set hash = sha256('x') where organization_id = 2",
            Fault::ForgedHead,
            4,
        ),
        (
            3,
            "a head that nobody signed",
            "update audit.audit_heads set statement = 'e30.e30.e30' where organization_id = 3",
            Fault::ForgedHead,
            4,
        ),
    ] {
        tamper(&app, sql).await;
        let after = verify(&app, organization).await;
        let fault = after.fault.clone().unwrap_or_else(|| panic!("{what} is not noticed"));
        assert_eq!((fault.kind, fault.position), (kind, Some(position)), "{what}: {after:?}");
    }
}

#[tokio::test]
async fn a_walk_is_gone_on_with_at_a_signed_head() {
    let mut app = TelemetryApp::start().await;
    for organization in [1, 2] {
        ingest(&app, (0..3).map(|_| event(organization)).collect()).await;
    }
    days_pass(&mut app, 1).await;
    signed(&app, 2).await;
    let end = "update audit.audit_chain set hash = sha256('x') where organization_id = 2 and position = 3";
    tamper(&app, end).await;
    // This is the first request that reads them: no link follows the signed ones.
    let quiet = granted(app.admin(1).audit_verify().after_position(3).send().await, 200);
    assert!(quiet.intact && quiet.complete, "a quiet organization's chain is whole: {quiet:?}");
    assert_eq!((quiet.verified_from, quiet.verified_to), (3, 3));
    assert_eq!(quiet.sealed.map(|sealed| sealed.position), Some(3), "nothing follows");
    let rewritten = granted(app.admin(2).audit_verify().after_position(3).send().await, 200);
    let fault = rewritten.fault.clone().expect("the head says something else");
    assert_eq!((fault.kind, fault.position), (AuditFaultKind::HeadMismatch, Some(3)), "{rewritten:?}");
}

/// Returns an event that occurred in the middle of a month.
fn then(month: NaiveDate) -> NewAuditEvent {
    let moment: DateTime<Utc> = month.and_hms_opt(12, 0, 0).expect("noon").and_utc() + Duration::from_hours(24 * 14);
    let seconds = u64::try_from(moment.timestamp()).expect("after 1970");
    let id = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0));
    NewAuditEvent { id, occurred_at: moment, ..personal(1) }
}

#[tokio::test]
async fn a_month_is_dropped_only_after_a_signed_head_stands_for_it() {
    let mut app = TelemetryApp::start().await;
    let mut owner = app.database.owner().await;
    assert_eq!(count(&mut owner, "select audit.partitions_ensure(3, 3)::bigint").await, 2);
    let month = |back| {
        let now = Utc::now().naive_utc().date();
        now.with_day(1).and_then(|first| first.checked_sub_months(Months::new(back))).expect("months ago")
    };
    let (old, kept) = (month(3), month(2));
    ingest(&app, vec![then(old), then(kept), then(old)]).await;
    app.sealed().await;
    let drop_old = format!("select audit.partition_drop('{old}')");
    let running = format!("select audit.partition_drop('{}')", month(0));
    for (sql, why) in [(drop_old, "no head stands for it"), (running, "the month is not over")] {
        let dropped: bool =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut owner).await.expect("that is no fault");
        assert!(!dropped, "{why}");
    }
    assert_eq!(count(&mut owner, "select count(*) from audit.audit_logs").await, 3, "what is not dropped is there");
    assert_eq!(count(&mut owner, "select count(*) from audit.audit_starts").await, 0);

    // The service drops the month by itself once it is configured to, and once the day is signed.
    days_pass(&mut app, 1).await;
    signed(&app, 1).await;
    app.server.environment_set("AUDIT_RETENTION_MONTHS", "2");
    app.server.stop().await;
    app.server.start().await;
    let name = format!("select count(*) from pg_class where relname = 'audit_logs_{}'", old.format("%Y%m"));
    let database = &app.database;
    eventually("the month is dropped", PATIENCE, || async { count(&mut database.owner().await, &name).await == 0 })
        .await;
    eventually("what is left of it goes after it", PATIENCE, || async {
        let left = "select count(*) from audit.audit_personal where ip = '203.0.113.7'";
        count(&mut database.owner().await, left).await == 1
    })
    .await;
    ingest(&app, vec![personal(1)]).await;
    app.sealed().await;
    let verification = verify(&app, 1).await;
    assert!(verification.intact && verification.complete, "{verification:?}");
    assert_eq!((verification.verified_from, verification.verified_to), (3, 4));
    assert_eq!(
        count(&mut owner, "select count(*) from audit.audit_chain where position <= 3").await,
        1,
        "of the kept month"
    );

    // The start protects the links that follow it, and a kept event before it is valid only unchanged.
    tamper(&app, "update audit.audit_logs set action = 'x' where id = (select audit_id from audit.audit_chain order by position limit 1)").await;
    let fault = verify(&app, 1).await.fault.expect("an altered event before the start");
    assert_eq!((fault.kind, fault.position), (AuditFaultKind::AlteredEvent, Some(3)));
}
