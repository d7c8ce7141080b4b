//! Attacks in SQL on every tenant table in the catalogues of both databases, as the application role with four verbs:
//! without a context, from another organization, and from its own. `rls_grid.txt` lists the verbs that each role has.

use restartix_sdk::{
    core::types::{
        BeginImpersonation, ConnectUser, CreateApiKey, MemberRole, RescheduleAppointment, Scope, SpecialtyInput,
    },
    telemetry::types::{
        ActorKind, AuditBatch, AuditOutcome, ConsentUpdate, NewAuditEvent, NewExclusion, PurposeDecisions,
    },
};
use sqlx::{AssertSqlSafe, PgConnection};
use test_support::{CoreApp, Database, Kind, Operation, TelemetryApp, TelemetryPerson, granted, in_days};
use uuid::Uuid;

use crate::{matrix, rls_catalogue::walk};

/// Table under attack.
struct Target {
    table: String,
    /// Grants of the application role on it, of any column: Select, Insert, Update, Delete.
    verbs: String,
    /// Column to update.
    touch: String,
    of: Special,
}

/// Exceptions for a table; most tables have none.
#[derive(Clone, Copy)]
struct Special {
    table: &'static str,
    /// Column that holds the organization.
    tenant: &'static str,
    /// Column to update, if not the first that may be updated.
    touch: Option<&'static str>,
    /// Condition on the rows that the application role reaches.
    rows: &'static str,
    /// Condition on the row that is copied, because the caller could not have written every row.
    copied: &'static str,
    /// Verbs that are granted, but not for what the attack tries.
    without: &'static str,
}

const NOTHING: Special =
    Special { table: "", tenant: "organization_id", touch: None, rows: "true", copied: "true", without: "" };

const fn touched(table: &'static str, touch: &'static str) -> Special {
    Special { table, touch: Some(touch), ..NOTHING }
}

const CORE: [Special; 13] = [
    // The table of tenants is exempt from the walk, but attacked all the same.
    Special { table: "public.organizations", tenant: "id", ..NOTHING },
    touched("public.invitations", "role"),
    // The application role may not write links to users.
    Special { copied: "user_id is null", ..touched("public.specialists", "name") },
    // Only the service reaches the organization's own key.
    Special { table: "public.data_keys", rows: "not of_organization", ..NOTHING },
    Special { copied: "user_id is null", ..touched("public.patients", "last_name") },
    // Specialists' and patients' own departures are for them alone.
    Special { table: "public.calendar_departures", rows: "specialist_id is null and patient_id is null", ..NOTHING },
    // Not the offers of the waitlist.
    Special { copied: "user_id is not null", ..touched("public.appointments", "version") },
    touched("public.appointment_series", "title"),
    touched("public.waitlist_entries", "updated_at"),
    touched("public.api_keys", "updated_at"),
    touched("public.calendar_feeds", "revoked_at"),
    // Nobody signs for another one, and no administrator at all.
    Special { table: "public.form_signatures", without: "I", ..NOTHING },
    // Other kinds of jobs are enqueued by the service alone.
    Special { table: "public.jobs", copied: "kind = 'waitlist_offer' and created_by is not null", ..NOTHING },
];

const TELEMETRY: [Special; 2] = [
    // The role may insert an entry of its own read, but no copy of another's entry.
    Special { table: "audit.audit_logs", without: "I", ..NOTHING },
    // Exempt from the walk, because a row may concern every tenant.
    Special { table: "privacy.erasures", ..NOTHING },
];

/// Returns every table guarded as a tenant's, and the exempt ones among the special tables.
async fn targets(owner: &mut PgConnection, kind: Kind, special: &[Special]) -> Vec<Target> {
    let guarded = walk(owner, kind).await.guarded;
    let tables: Vec<(String, String, Option<String>)> = sqlx::query_as(
        "select n.nspname || '.' || c.relname,
                case when has_any_column_privilege(app.oid, c.oid, 'select') then 'S' else '' end
                || case when has_any_column_privilege(app.oid, c.oid, 'insert') then 'I' else '' end
                || case when has_any_column_privilege(app.oid, c.oid, 'update') then 'U' else '' end
                || case when has_table_privilege(app.oid, c.oid, 'delete') then 'D' else '' end,
                (select a.attname::text from pg_attribute a
                 where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                   and has_column_privilege(app.oid, c.oid, a.attnum, 'update')
                 order by a.attnum limit 1)
         from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_roles app on app.rolname = $1
         where c.relkind in ('r', 'p') order by 1",
    )
    .bind(kind.app())
    .fetch_all(owner)
    .await
    .unwrap();
    let mut targets = Vec::new();
    for (table, verbs, touch) in tables {
        let of = special.iter().find(|special| special.table == table).copied();
        if of.is_none() && !guarded.contains(&table) {
            continue;
        }
        let of = of.unwrap_or(NOTHING);
        let verbs = verbs.replace(|verb: char| of.without.contains(verb), "");
        // A table without a column that may be updated is attacked with the tenant's column.
        let touch = of.touch.map(str::to_owned).or(touch).unwrap_or_else(|| of.tenant.to_owned());
        targets.push(Target { table, verbs, touch, of });
    }
    targets
}

/// Context of the attacker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) organization: i64,
    pub(crate) user: i64,
    pub(crate) role: &'static str,
}

/// Result of an attempt: the number of rows it reached, or PostgreSQL's error code.
pub(crate) type Outcome = Result<u64, String>;

/// Insufficient privilege, by grant or by policy.
pub(crate) const DENIED: &str = "42501";

pub(crate) async fn attempt(app: &mut PgConnection, asker: Option<Asker>, sql: &str) -> Outcome {
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

/// Returns the INSERT of a copy of a row, with the columns that are granted. PostgreSQL checks policies before
/// constraints, so the copy of an existing row shows whether the policy let it pass: then it may be refused as a
/// duplicate.
async fn copy_of(owner: &mut PgConnection, kind: Kind, target: &Target, organization: i64) -> String {
    let (table, Special { tenant, rows, copied, .. }) = (&target.table, target.of);
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

async fn attack(database: &Database, kind: Kind, special: &[Special], home: Asker, away: Asker) {
    let (mut owner, mut app) = (database.owner().await, database.app().await);
    let targets = targets(&mut owner, kind, special).await;
    assert!(special.iter().all(|special| targets.iter().any(|target| target.table == special.table)), "all are there");
    for target in &targets {
        let Target { table, touch, verbs, of } = target;
        let tenant = of.tenant;
        for asker in [home, away] {
            let seeded = count(&mut owner, target, asker.organization).await;
            assert!(seeded > 0, "{table} is not seeded for organization {}", asker.organization);
        }
        let (own, foreign) = (home.organization, away.organization);
        let select = |organization| format!("select 1 from {table} where {tenant} = {organization}");
        let update = |organization| format!("update {table} set {touch} = {touch} where {tenant} = {organization}");
        let delete = |organization| format!("delete from {table} where {tenant} = {organization}");
        // Result of an attempt that reaches nothing: no row if the verb is granted, a refusal if it is not.
        let nothing = |verb: char| if verbs.contains(verb) { Ok(0) } else { Err(DENIED.to_owned()) };

        // Without a context no row is reached.
        for (verb, sql) in [('S', select(own)), ('U', update(own)), ('D', delete(own))] {
            assert_eq!(attempt(&mut app, None, &sql).await, nothing(verb), "no context: {sql}");
        }
        let sql = copy_of(&mut owner, kind, target, own).await;
        assert_eq!(attempt(&mut app, None, &sql).await, Err(DENIED.to_owned()), "no context: insert into {table}");

        // From the home organization, no role reaches rows of another organization.
        for role in ["admin", "staff", "specialist", "patient", "superadmin", ""] {
            let asker = Some(Asker { role, ..home });
            for (verb, sql) in [('S', select(foreign)), ('U', update(foreign)), ('D', delete(foreign))] {
                assert_eq!(attempt(&mut app, asker, &sql).await, nothing(verb), "foreign context, {role}: {sql}");
            }
            let sql = copy_of(&mut owner, kind, target, foreign).await;
            let refused = attempt(&mut app, asker, &sql).await;
            assert_eq!(refused, Err(DENIED.to_owned()), "foreign context, {role}: insert into {table}");
            if verbs.contains('U') && tenant == "organization_id" {
                let moved = format!("update {table} set {tenant} = {foreign} where {tenant} = {own}");
                let outcome = attempt(&mut app, asker, &moved).await;
                let kept = outcome == Ok(0) || outcome == Err(DENIED.to_owned());
                assert!(kept, "{role} moves a row of {table} away: {outcome:?}");
            }
        }

        // In the home organization, exactly its own rows are reached.
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

/// Returns true if an attempt on rows of the own organization had the result that the grant implies: it reached some
/// rows (or failed on a constraint, which PostgreSQL checks after permissions), or it was refused.
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
    let (table, Special { tenant, rows, .. }) = (&target.table, target.of);
    let sql = format!("select count(*) from {table} where {tenant} = {organization} and {rows}");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(owner).await.unwrap()
}

#[tokio::test]
async fn cores_tables_withstand() {
    let app = CoreApp::start().await;
    let operations = Operation::all(&app.server);
    for (admin, specialist) in [(app.admin(), app.home().specialist_id), (app.other_admin(), app.away().specialist_id)]
    {
        matrix::make_all(&admin, &operations).await;
        let body = SpecialtyInput { name: "Knees".to_owned(), description: None };
        let key = Uuid::new_v4().to_string();
        let specialty = granted(admin.specialty_create().idempotency_key(key).body(body).send().await, 201).id;
        let mut body = CoreApp::new_specialist("Dr. Knee");
        body.specialty_ids = vec![specialty];
        granted(admin.specialist_create().body(body).send().await, 201);
        app.schedule_set(&admin, specialist, CoreApp::new_schedule()).await;
        app.appointment_template_create(&admin, CoreApp::new_appointment_template("Talk")).await;
        crate::form_template::published_with_field(&admin).await;
        let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
        let booked = app.appointment_create(&admin, specialist, patient, in_days(2, 9)).await.id;
        let body = RescheduleAppointment { specialist_id: None, started_at: in_days(3, 9), version: None };
        granted(admin.appointment_reschedule().appointment_id(booked).body(body).send().await, 200);
        crate::form::rows_add(&app, &admin, patient, booked).await;
        let deleted = app.appointment_create(&admin, specialist, patient, in_days(2, 12)).await.id;
        granted(admin.appointment_delete().appointment_id(deleted).send().await, 204);
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
        crate::profile::noted(&admin, record).await;
        crate::segment::rows_add(&admin).await;
        crate::export::exported(&admin, serde_json::json!({ "patients": { "columns": ["id"] } })).await;
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
        let sql = "insert into consent_outbox (organization_id, patient_id, id, purpose, granted, text_version)
                   select organization_id, id, gen_random_uuid(), 'media', true, '2026-11' from patients
                   where organization_id = $1";
        sqlx::query(sql).bind(organization).execute(&mut owner).await.unwrap();
        let sql = "insert into patient_merges (organization_id, patient_id, owner_id, data_key_id)
                   select organization_id, max(id), min(id), (array_agg(data_key_id))[1] from patients
                   where organization_id = $1 group by 1";
        sqlx::query(sql).bind(organization).execute(&mut owner).await.unwrap();
    }
    let asker = |organization: &test_support::Organization| Asker {
        organization: organization.id,
        user: organization.admin.user_id,
        role: "admin",
    };
    attack(&app.database, Kind::Core, &CORE, asker(app.home()), asker(app.away())).await;

    // The only `security definer` function that bypasses the policies names no organization without a context.
    let mut restricted = app.database.app().await;
    assert_eq!(attempt(&mut restricted, None, "select * from visible_organizations()").await, Ok(0));
    let home = Some(asker(app.home()));
    assert_eq!(attempt(&mut restricted, home, "select * from visible_organizations()").await, Ok(1));
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

/// Inserts for tables that no single operation fills, with a row for organization `$ORG`.
const DERIVED: [&str; 8] = [
    "insert into audit.audit_pending (organization_id, audit_id) values ($ORG, uuidv7())",
    "insert into audit.audit_chain (organization_id, position, audit_id, previous, hash, encoding, sealed_at)
     values ($ORG, 1000, uuidv7(), sha256('a'), sha256('b'), 1, now())",
    "insert into audit.audit_heads (organization_id, day, position, audit_id, hash, signed_at, kid, statement)
     values ($ORG, '2026-01-01', 1000, uuidv7(), sha256('b'), now(), 'key', 'statement')",
    "insert into audit.audit_starts (organization_id, position, hash) values ($ORG, 1000, sha256('b'))",
    "insert into privacy.patient_consents (organization_id, patient_id, id, purpose, granted, text_version, source,
         decided_at)
     values ($ORG, 7, uuidv7(), 'media', true, '2026-11', 'onboarding', now())",
    "insert into privacy.patient_joins (organization_id, patient_id, user_id) values ($ORG, 7, 7)",
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
    // Core must not seal the chain while its tables are attacked.
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
