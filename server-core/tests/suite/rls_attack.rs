//! Every tenant table of both databases, attacked in SQL as the application role with four verbs:
//! without a context, from another organization, and used from its own.

use std::collections::BTreeSet;

use restartix_sdk::{
    core::types::{
        BeginImpersonation, ConnectUser, CreateApiKey, MemberRole, RescheduleAppointment, Scope, SpecialtyInput,
    },
    telemetry::types::{
        ActorKind, AuditBatch, AuditOutcome, ConsentUpdate, NewAuditEvent, NewExclusion, PurposeDecisions,
    },
};
use sqlx::{AssertSqlSafe, PgConnection};
use test_support::{CoreApp, Database, Kind, TelemetryApp, TelemetryPerson, granted, in_days};
use uuid::Uuid;

/// A table, the column that says whose a row is, a column to update, what the application role may do
/// with the table (Select, Insert, Update, Delete), and with which of its rows.
struct Target {
    table: &'static str,
    tenant: &'static str,
    touch: &'static str,
    verbs: &'static str,
    rows: &'static str,
    /// Of which row a copy is tried, where there is one: not each could have been written by who asks.
    copied: &'static str,
}

const fn target(table: &'static str, verbs: &'static str) -> Target {
    Target { table, tenant: "organization_id", touch: "organization_id", verbs, rows: "true", copied: "true" }
}

const fn touched(table: &'static str, touch: &'static str, verbs: &'static str) -> Target {
    Target { table, tenant: "organization_id", touch, verbs, rows: "true", copied: "true" }
}

const CORE: [Target; 25] = [
    Target { table: "public.organizations", tenant: "id", touch: "name", verbs: "SU", rows: "true", copied: "true" },
    touched("public.organization_settings", "document", "SU"),
    touched("public.memberships", "role", "SUD"),
    touched("public.invitations", "role", "SIU"),
    touched("public.specialties", "name", "SIUD"),
    // Links are written by nobody here.
    Target { copied: "user_id is null", ..touched("public.specialists", "name", "SIU") },
    target("public.specialist_specialties", "SID"),
    target("public.specialist_hours", "SID"),
    target("public.specialist_exceptions", "SID"),
    touched("public.appointment_templates", "name", "SIUD"),
    // The organization's own key is for the service alone.
    Target { rows: "not of_organization", ..target("public.data_keys", "SI") },
    Target { copied: "user_id is null", ..touched("public.patients", "last_name", "SIU") },
    // No offer of the waitlist's.
    Target { copied: "user_id is not null", ..touched("public.appointments", "version", "SIU") },
    target("public.appointment_reschedules", "SI"),
    touched("public.appointment_series", "title", "SIU"),
    touched("public.waitlist_entries", "updated_at", "SIU"),
    target("public.video_rooms", "S"),
    touched("public.api_keys", "updated_at", "SIU"),
    touched("public.impersonations", "revoked_at", "SIU"),
    touched("public.calendar_feeds", "revoked_at", "SIU"),
    // Appended to by audit_append alone.
    target("public.audit_log", "S"),
    target("public.audit_personal", "S"),
    target("public.audit_outbox", ""),
    // Other work is the service's to leave.
    Target { copied: "kind = 'waitlist_offer' and created_by is not null", ..target("public.jobs", "SI") },
    touched("public.idempotency_keys", "status", "SIUD"),
];

const TELEMETRY: [Target; 11] = [
    // It may add that it read the trail, which is no copy of what others did.
    target("audit.audit_logs", "S"),
    target("audit.audit_personal", "SI"),
    target("audit.audit_pending", "S"),
    target("audit.audit_chain", "S"),
    target("audit.audit_heads", "S"),
    target("audit.audit_starts", "S"),
    target("privacy.consents", "SI"),
    target("privacy.exclusions", "SID"),
    target("privacy.erasures", "S"),
    target("security.sightings", "S"),
    target("security.security_events", "S"),
];

pub(crate) fn core_targets() -> BTreeSet<String> {
    // The tenants themselves are exempt from the walk; they are attacked all the same.
    CORE.iter().filter(|target| target.tenant == "organization_id").map(|target| target.table.to_owned()).collect()
}

pub(crate) fn telemetry_targets() -> BTreeSet<String> {
    // So are erasures, which may be of every tenant.
    TELEMETRY.iter().map(|target| target.table.to_owned()).filter(|table| table != "privacy.erasures").collect()
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
struct Asker {
    organization: i64,
    user: i64,
    role: &'static str,
}

/// What became of an attempt: how many rows it reached, or PostgreSQL's error code.
type Outcome = Result<u64, String>;

/// Insufficient privilege, by grant or by policy.
const DENIED: &str = "42501";

async fn attempt(app: &mut PgConnection, asker: Option<Asker>, sql: &str) -> Outcome {
    execute(app, "begin").await.unwrap();
    if let Some(Asker { organization, user, role }) = asker {
        let enter = format!(
            "select set_config('app.current_org_id', '{organization}', true),
                    set_config('app.current_user_id', '{user}', true), set_config('app.current_role', '{role}', true)"
        );
        execute(app, &enter).await.unwrap();
    }
    let outcome = execute(app, sql).await;
    execute(app, "rollback").await.unwrap();
    outcome
}

async fn execute(connection: &mut PgConnection, sql: &str) -> Outcome {
    match sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await {
        Ok(done) => Ok(done.rows_affected()),
        Err(sqlx::Error::Database(error)) => Err(error.code().unwrap_or_default().into_owned()),
        Err(error) => panic!("{sql}: {error}"),
    }
}

/// A copy of a row, as an INSERT of what is granted. Policies are asked before constraints, so the copy of a
/// row that exists shows whether the policy let it pass: then it may be refused as a duplicate.
async fn copy_of(owner: &mut PgConnection, kind: Kind, target: &Target, organization: i64) -> String {
    let Target { table, tenant, rows, copied, .. } = target;
    let columns =
        "select coalesce(string_agg(attname, ', ') filter (where has_column_privilege($2, attrelid, attnum, 'insert')
                                                                        and attidentity = ''),
                                   string_agg(attname, ', '))
                   from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped";
    let columns: String =
        sqlx::query_scalar(columns).bind(table).bind(kind.app()).fetch_one(&mut *owner).await.unwrap();
    let sql = format!(
        "select to_jsonb(t)::text from {table} t where {tenant} = {organization} and {rows}
         order by (({copied}) is true) desc limit 1"
    );
    let row: String = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(owner).await.unwrap();
    let row = row.replace('\'', "''");
    format!(
        "insert into {table} ({columns}) overriding system value
             select {columns} from jsonb_populate_record(null::{table}, '{row}')"
    )
}

async fn attack(database: &Database, kind: Kind, targets: &[Target], home: Asker, away: Asker) {
    let (mut owner, mut app) = (database.owner().await, database.app().await);
    for target in targets {
        let Target { table, tenant, touch, verbs, .. } = target;
        for asker in [home, away] {
            let seeded = count(&mut owner, target, asker.organization).await;
            assert!(seeded > 0, "{table} is not seeded for organization {}", asker.organization);
        }
        let (own, foreign) = (home.organization, away.organization);
        let select = |organization| format!("select 1 from {table} where {tenant} = {organization}");
        let update = |organization| format!("update {table} set {touch} = {touch} where {tenant} = {organization}");
        let delete = |organization| format!("delete from {table} where {tenant} = {organization}");
        // What reaches nothing: no row where the verb is granted, a refusal where it is not.
        let nothing = |verb| if verbs.contains(verb) { Ok(0) } else { Err(DENIED.to_owned()) };

        // Without a context there is nothing, whatever is asked for.
        for (verb, sql) in [('S', select(own)), ('U', update(own)), ('D', delete(own))] {
            assert_eq!(attempt(&mut app, None, &sql).await, nothing(verb), "no context: {sql}");
        }
        let sql = copy_of(&mut owner, kind, target, own).await;
        assert_eq!(attempt(&mut app, None, &sql).await, Err(DENIED.to_owned()), "no context: insert into {table}");

        // From home, another organization's rows are not there, whoever asks.
        for role in ["admin", "staff", "specialist", "patient", "superadmin", ""] {
            let asker = Some(Asker { role, ..home });
            for (verb, sql) in [('S', select(foreign)), ('U', update(foreign)), ('D', delete(foreign))] {
                assert_eq!(attempt(&mut app, asker, &sql).await, nothing(verb), "foreign context, {role}: {sql}");
            }
            let sql = copy_of(&mut owner, kind, target, foreign).await;
            let refused = attempt(&mut app, asker, &sql).await;
            assert_eq!(refused, Err(DENIED.to_owned()), "foreign context, {role}: insert into {table}");
            if verbs.contains('U') && *tenant == "organization_id" {
                let moved = format!("update {table} set {tenant} = {foreign} where {tenant} = {own}");
                let outcome = attempt(&mut app, asker, &moved).await;
                let kept = outcome == Ok(0) || outcome == Err(DENIED.to_owned());
                assert!(kept, "{role} moves a row of {table} away: {outcome:?}");
            }
        }

        // At home everything of home's is there, and nothing else.
        let all = format!("select 1 from {table}");
        let seen = if verbs.contains('S') {
            Ok(u64::try_from(count(&mut owner, target, own).await).unwrap())
        } else {
            Err(DENIED.to_owned())
        };
        assert_eq!(attempt(&mut app, Some(home), &all).await, seen, "own context: {all}");
        let outcome = attempt(&mut app, Some(home), &update(own)).await;
        assert!(reached(&outcome, verbs.contains('U')), "own context: update {table}: {outcome:?}");
        let outcome = attempt(&mut app, Some(home), &delete(own)).await;
        assert!(reached(&outcome, verbs.contains('D')), "own context: delete from {table}: {outcome:?}");
        let outcome = attempt(&mut app, Some(home), &copy_of(&mut owner, kind, target, own).await).await;
        assert!(reached(&outcome, verbs.contains('I')), "own context: insert into {table}: {outcome:?}");
    }
}

/// Returns true if an attempt on one's own rows ended as its grant says: it reached some rows (or failed on a
/// constraint, which PostgreSQL checks after rights), or was refused.
fn reached(outcome: &Outcome, granted: bool) -> bool {
    match outcome {
        Ok(rows) => granted && *rows > 0,
        Err(code) => {
            if granted {
                code.starts_with("23")
            } else {
                code == DENIED
            }
        }
    }
}

async fn count(owner: &mut PgConnection, target: &Target, organization: i64) -> i64 {
    let Target { table, tenant, rows, .. } = target;
    let sql = format!("select count(*) from {table} where {tenant} = {organization} and {rows}");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(owner).await.unwrap()
}

#[tokio::test]
async fn cores_tables_withstand() {
    let app = CoreApp::start().await;
    for (admin, specialist) in [(app.admin(), app.home().specialist_id), (app.other_admin(), app.away().specialist_id)]
    {
        let body = SpecialtyInput { name: "Knees".to_owned(), description: None };
        let key = Uuid::new_v4().to_string();
        let specialty = granted(admin.specialty_create().idempotency_key(key).body(body).send().await, 201).id;
        let mut body = CoreApp::new_specialist("Dr. Knee");
        body.specialty_ids = vec![specialty];
        granted(admin.specialist_create().body(body).send().await, 201);
        app.schedule_set(&admin, specialist, CoreApp::new_schedule()).await;
        app.appointment_template_create(&admin, CoreApp::new_appointment_template("Talk")).await;
        let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
        let booked = app.appointment_create(&admin, specialist, patient, in_days(2, 9)).await.id;
        let body = RescheduleAppointment { specialist_id: None, started_at: in_days(3, 9), version: None };
        granted(admin.appointment_reschedule().appointment_id(booked).body(body).send().await, 200);
        let series = CoreApp::new_series(specialist, patient, in_days(4, 9), CoreApp::daily(2));
        granted(admin.appointment_series_create().body(series).send().await, 201);
        let wish = crate::waitlist::wish(specialist, Some(patient), in_days(2, 9), in_days(3, 9));
        crate::waitlist::wait(&admin, wish).await;
        let body = CreateApiKey { expires_at: None, name: "Key".to_owned(), scopes: vec![Scope::PatientsRead] };
        let organization = granted(admin.me_get().send().await, 200).organization_id.unwrap();
        granted(admin.api_key_create().organization_id(organization).body(body).send().await, 201);
    }
    for organization in [app.home(), app.away()] {
        let admin = app.actor(&organization.admin);
        let record = app.patient_create(&admin, "Pia", "Own").await.id;
        app.patient_link(&admin, record, &organization.patient).await;
        let body = BeginImpersonation { minutes: None, reason: "A test".to_owned() };
        granted(admin.patient_impersonate().patient_id(record).body(body).send().await, 201);
        granted(admin.calendar_feed_create().send().await, 201);
        let body = ConnectUser { email: Some("new@example.org".to_owned()), user_id: None, role: MemberRole::Staff };
        granted(admin.member_connect().organization_id(organization.id).body(body).send().await, 201);
    }
    let mut owner = app.owner().await;
    for organization in [app.home().id, app.away().id] {
        let sql = "insert into jobs (id, organization_id, kind, created_by, run_at)
                   select gen_random_uuid(), organization_id, 'waitlist_offer', user_id, now() + interval '1 day'
                   from memberships where organization_id = $1 and role = 'admin'";
        sqlx::query(sql).bind(organization).execute(&mut owner).await.unwrap();
        let sql = "insert into video_rooms (organization_id, appointment_id, patient_id, specialist_id, name, url, opens_at,
                                            closes_at)
                   select organization_id, id, patient_id, specialist_id, 'room', 'https://daily.invalid/room', started_at,
                          ended_at
                   from appointments where organization_id = $1";
        sqlx::query(sql).bind(organization).execute(&mut owner).await.unwrap();
    }
    let asker = |organization: &test_support::Organization| Asker {
        organization: organization.id,
        user: organization.admin.user_id,
        role: "admin",
    };
    attack(&app.database, Kind::Core, &CORE, asker(app.home()), asker(app.away())).await;

    // The one definer's function that looks past the policies names no organization without a context.
    let mut restricted = app.database.app().await;
    assert_eq!(attempt(&mut restricted, None, "select * from visible_organizations()").await, Ok(0));
    let home = Some(asker(app.home()));
    assert_eq!(attempt(&mut restricted, home, "select * from visible_organizations()").await, Ok(1));
}

#[tokio::test]
async fn nobody_is_a_member_or_linked_by_an_administrators_word() {
    let app = CoreApp::start().await;
    let (home, admin) = (app.home().id, app.home().admin.user_id);
    let patient = app.patient_create(&app.admin(), "Ann", "Lee").await.id;
    let body = ConnectUser { email: Some("new@example.org".to_owned()), user_id: None, role: MemberRole::Staff };
    granted(app.admin().member_connect().organization_id(home).body(body).send().await, 201);
    let mut restricted = app.database.app().await;
    let asker = Some(Asker { organization: home, user: admin, role: "admin" });
    let stranger = app.away().staff.user_id;
    let member = app.home().patient.user_id;
    let denied = Err(DENIED.to_owned());
    for sql in [
        format!("insert into memberships (organization_id, user_id, role) values ({home}, {stranger}, 'staff')"),
        format!("update patients set user_id = {member} where id = {patient}"),
        format!("update specialists set user_id = null where id = {}", app.home().specialist_id),
        format!(
            "insert into specialists (organization_id, user_id, name, timezone) values ({home}, {member}, 'X', 'UTC')"
        ),
        // Nor answers anybody for somebody else, invites in another's name, or for longer than 14 days.
        "update invitations set status = 'accepted', ended_at = now()".to_owned(),
        format!("update invitations set user_id = {stranger}"),
        "update invitations set expires_at = now() + interval '15 days'".to_owned(),
        format!(
            "insert into invitations (organization_id, uid, kind, role, user_id, invited_by)
             values ({home}, gen_random_uuid(), 'membership', 'admin', {stranger}, {stranger})"
        ),
    ] {
        assert_eq!(attempt(&mut restricted, asker, &sql).await, denied, "{sql}");
    }
    let revoke = "update invitations set status = 'revoked', ended_at = now()";
    assert_eq!(attempt(&mut restricted, asker, revoke).await, Ok(1));
    for role in ["staff", "specialist", "patient", "api_key", ""] {
        let asker = Some(Asker { organization: home, user: admin, role });
        for sql in ["select 1 from invitations", revoke] {
            assert_eq!(attempt(&mut restricted, asker, sql).await, Ok(0), "{role}: {sql}");
        }
    }
    // An address tells nobody who has it, but of a member, and to who administers.
    let known = "select 1 where user_find(null, (select email_index from invitations)) is not null";
    assert_eq!(attempt(&mut restricted, asker, known).await, Ok(0));
}

#[tokio::test]
async fn a_user_reaches_its_own_row_alone() {
    let app = CoreApp::start().await;
    let mut restricted = app.database.app().await;
    let me = app.home().staff.user_id;
    let asker = Some(Asker { organization: app.home().id, user: me, role: "staff" });
    let touch = "update users set current_organization_id = current_organization_id";
    assert_eq!(attempt(&mut restricted, None, "select id from users").await, Ok(0));
    assert_eq!(attempt(&mut restricted, None, touch).await, Ok(0));
    assert_eq!(attempt(&mut restricted, asker, "select id from users").await, Ok(1));
    assert_eq!(attempt(&mut restricted, asker, touch).await, Ok(1));
    for actor in [app.admin(), app.staff()] {
        granted(actor.calendar_feed_create().send().await, 201);
    }
    let revoke = "update calendar_feeds set revoked_at = now()";
    for sql in ["select id from calendar_feeds", revoke] {
        assert_eq!(attempt(&mut restricted, asker, sql).await, Ok(1), "of two: {sql}");
    }
    // Who administers the clinic may; nobody promotes itself.
    assert_eq!(attempt(&mut restricted, asker, "update memberships set role = 'admin'").await, Ok(0));
    let denied = Err(DENIED.to_owned());
    for sql in [
        "update users set superadmin = true",
        "update users set clerk_id = 'user_x'",
        "delete from users",
        "insert into users (clerk_id) values ('user_x')",
        "insert into memberships (organization_id, user_id, role) select 1, id, 'admin' from users",
        "update memberships set organization_id = organization_id",
        "select * from revoked_sessions",
        "insert into clerk_events (id) values ('msg_1')",
        "update calendar_feeds set user_id = user_id + 1",
        "delete from calendar_feeds",
        "truncate appointments",
        "select * from _sqlx_migrations",
    ] {
        assert_eq!(attempt(&mut restricted, asker, sql).await, denied, "{sql}");
    }
}

fn audit_event(organization_id: i64) -> NewAuditEvent {
    NewAuditEvent {
        action: "created".to_owned(),
        actor_api_key_id: None,
        actor_kind: ActorKind::User,
        actor_user_id: Some(100 + organization_id),
        changed_fields: Vec::new(),
        entity_id: Some("1".to_owned()),
        entity_ids: Vec::new(),
        entity_type: "appointment".to_owned(),
        error_code: None,
        id: Uuid::now_v7(),
        impersonator_user_id: None,
        ip: Some("203.0.113.7".to_owned()),
        occurred_at: chrono::Utc::now(),
        occurrences: None,
        operation_id: Some("appointment_create".to_owned()),
        organization_id,
        outcome: AuditOutcome::Succeeded,
        request_id: Some("request-1".to_owned()),
        user_agent: Some("test".to_owned()),
        client_request_id: None,
    }
}

fn consent() -> ConsentUpdate {
    ConsentUpdate {
        purposes: PurposeDecisions { analytics: true, media: false, pose: false },
        source: "test".to_owned(),
        text_version: "2026-01".to_owned(),
    }
}

/// A row of each table that no operation fills at once, of organization `$ORG`.
const DERIVED: [&str; 6] = [
    "insert into audit.audit_pending (organization_id, audit_id) values ($ORG, uuidv7())",
    "insert into audit.audit_chain (organization_id, position, audit_id, previous, hash, encoding, sealed_at)
     values ($ORG, 1000, uuidv7(), sha256('a'), sha256('b'), 1, now())",
    "insert into audit.audit_heads (organization_id, day, position, audit_id, hash, signed_at, kid, statement)
     values ($ORG, '2026-01-01', 1000, uuidv7(), sha256('b'), now(), 'key', 'statement')",
    "insert into audit.audit_starts (organization_id, position, hash) values ($ORG, 1000, sha256('b'))",
    "insert into security.sightings (organization_id, kind, subject, seen_at, audit_id, weight)
     values ($ORG, 'denied_access', 'user:7', now(), uuidv7(), 1)",
    "insert into security.security_events (id, organization_id, kind, severity, subject, first_seen_at, last_seen_at,
         occurrences, threshold, window_seconds, audit_ids)
     values (uuidv7(), $ORG, 'denied_access', 'medium', 'user:7', now(), now(), 1, 1, 60, '{}')",
];

#[tokio::test]
async fn telemetrys_tables_withstand() {
    let mut app = TelemetryApp::start().await;
    let person = |organization: i64| TelemetryPerson {
        user: 100 + organization,
        organization: Some(organization),
        role: "admin",
        patient: None,
    };
    for organization in [1, 2] {
        let events = vec![audit_event(organization)];
        granted(app.service().audit_ingest().body(AuditBatch { events }).send().await, 202);
        let client = app.person(&person(organization));
        granted(client.consent_put().body(consent()).send().await, 200);
        granted(client.exclusion_create().body(NewExclusion { subject_id: None }).send().await, 201);
        let service = app.service();
        let plan = service.privacy_subject_erase().subject_id(100 + organization).organization_id(organization);
        granted(plan.request_id(Uuid::now_v7()).dry_run(true).send().await, 202);
    }
    // Nobody seals while the tables of the chain are attacked.
    app.server.kill();
    let mut owner = app.database.owner().await;
    for organization in [1, 2] {
        for seed in DERIVED {
            let sql = seed.replace("$ORG", &organization.to_string());
            execute(&mut owner, &sql).await.unwrap();
        }
    }
    let asker = |organization: i64| Asker { organization, user: 100 + organization, role: "admin" };
    attack(&app.database, Kind::Telemetry, &TELEMETRY, asker(1), asker(2)).await;
}
