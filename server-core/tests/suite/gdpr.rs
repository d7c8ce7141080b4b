//! The rights of a person to its data, over both services and all of their stores: one and the same
//! search finds what was planted before, and nothing after.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use reqwest::Method;
use restartix_sdk::core::types::{
    CreatePatient, ErasureAction, ErasureItem, ErasureJob, HoldingService, JobState, Patient,
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection};
use test_support::{
    Actor, Answer, Clerk, ClerkApi, ClerkEvent, Clinic, CoreApp, CoreBuilder, Person, Place, Role, TelemetryApp,
    granted, in_days, refused, until,
};
use uuid::Uuid;

const IMPERSONAL: &str = include_str!("gdpr_impersonal.txt");

/// What is planted, none of which can come about by accident, and where it has to be found at least.
const PLANTED: [(&str, &str); 14] = [
    ("Plantedfirst", "postgresql public.patients.first_name"),
    ("Plantedlast", "postgresql public.patients.last_name"),
    ("planted-email@example.org", "postgresql public.patients.email_encrypted"),
    ("+49 555 0199887", "postgresql public.patients.phone_encrypted"),
    ("1931-07-23", "postgresql public.patients.date_of_birth_encrypted"),
    ("PLANTEDID777", "postgresql public.patients.national_id_encrypted"),
    ("9917 Planted-Address Row", "postgresql public.patients.address_encrypted"),
    ("Planted-Contact Person", "postgresql public.patients.emergency_contact_encrypted"),
    ("planted-clinical-note", "postgresql public.patients.clinical_notes_encrypted"),
    ("planted-appointment-title", "postgresql public.appointments.title"),
    ("planted-user-name", "postgresql public.users.name"),
    ("planted-user-agent", "postgresql public.audit_personal.user_agent"),
    ("planted-specialist-name", "postgresql public.specialists.name"),
    ("planted-file-body", "s3"),
];

/// Place (`postgresql public.patients.first_name`) to what was found there.
type Found = BTreeMap<String, BTreeSet<&'static str>>;

fn collect(found: &mut Found, value: &'static str, places: Vec<Place>) {
    for place in places {
        let name = match place.store {
            "postgresql" | "clickhouse" => format!("{} {}.{}", place.store, place.table, place.column),
            store => store.to_owned(),
        };
        found.entry(name).or_default().insert(value);
    }
}

/// The one search: whatever is left of what was planted in Core.
async fn found_in_core(app: &CoreApp) -> Found {
    let mut found = Found::new();
    for (value, _) in PLANTED {
        collect(&mut found, value, app.search(value).await);
    }
    found
}

async fn found_in_telemetry(app: &TelemetryApp) -> Found {
    let mut found = Found::new();
    for (value, _) in PLANTED {
        collect(&mut found, value, app.search(value).await);
    }
    found
}

/// A person that is in every table of the registry.
struct Planted {
    person: Person,
    patient: Patient,
    /// Also a specialist, whose record is another holding.
    specialist_id: i64,
}

/// Two processes with a Clerk of their own.
async fn clinic(clerk: &ClerkApi) -> Clinic {
    Clinic::start_with(with_clerk(clerk)).await
}

fn with_clerk(clerk: &ClerkApi) -> CoreBuilder {
    CoreApp::builder().env("CLERK_API_URL", clerk.url()).env("CLERK_SECRET_KEY", clerk.secret_key())
}

fn planted_record(user_id: Option<i64>) -> CreatePatient {
    CreatePatient {
        address: Some("9917 Planted-Address Row".to_owned()),
        clinical_notes: Some("planted-clinical-note".to_owned()),
        date_of_birth: "1931-07-23".parse().ok(),
        email: Some("planted-email@example.org".to_owned()),
        emergency_contact: Some("Planted-Contact Person".to_owned()),
        national_id: Some("PLANTEDID777".to_owned()),
        phone: Some("+49 555 0199887".to_owned()),
        user_id,
        ..CoreApp::new_patient("Plantedfirst", "Plantedlast")
    }
}

async fn execute(owner: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(owner).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn plant(app: &CoreApp, clerk: &ClerkApi) -> Planted {
    let admin = app.admin();
    let person = app.member_add(Role::Patient).await;
    clerk.user_add(&person.clerk_id);
    let patient = granted(admin.patient_create().body(planted_record(Some(person.user_id))).send().await, 201);
    let mut owner = app.owner().await;
    let (user, home) = (person.user_id, app.home().id);
    execute(&mut owner, &format!("update users set name = 'planted-user-name' where id = {user}")).await;
    let specialist_id: i64 = sqlx::query_scalar(
        "insert into specialists (organization_id, user_id, name, title, timezone)
         values ($1, $2, 'planted-specialist-name', 'planted-specialist-name', 'Europe/Berlin') returning id",
    )
    .bind(home)
    .bind(user)
    .fetch_one(&mut owner)
    .await
    .unwrap();
    // One that will take place, one that did, and one that did not.
    for (days, status) in [(3, "scheduled"), (5, "completed"), (7, "cancelled")] {
        let mut body = CoreApp::new_appointment(app.home().specialist_id, patient.id, in_days(days, 9));
        body.title = Some("planted-appointment-title".to_owned());
        let id = granted(admin.appointment_create().body(body).send().await, 201).id;
        let sql = format!("update appointments set status = '{status}', user_id = {user} where id = {id}");
        execute(&mut owner, &sql).await;
    }
    let job = "insert into jobs (id, organization_id, kind, created_by) values (gen_random_uuid(), {home}, 'of_no_handler', {user})";
    execute(&mut owner, &job.replace("{home}", &home.to_string()).replace("{user}", &user.to_string())).await;
    granted(app.actor(&person).calendar_feed_create().send().await, 201);
    // What the person does itself leaves its address and program.
    let path = format!("/v1/patients/{}", patient.id);
    let request = app.actor(&person).request(Method::GET, &path).header("user-agent", "planted-user-agent");
    Answer::to(request).await.json(200);
    app.file_put(&format!("organizations/{home}/patients/{}/scan.txt", patient.uid), "planted-file-body").await;
    Planted { person, patient, specialist_id }
}

async fn outbox_empty(app: &CoreApp) {
    until("the audit rows have gone to Telemetry", CoreApp::PATIENCE, || async {
        (app.count("select count(*) from audit_outbox").await == 0).then_some(())
    })
    .await;
}

async fn finished(admin: &Actor, id: Uuid) -> ErasureJob {
    // A job that failed waits longer each time.
    until("the erasure is done", 3 * CoreApp::PATIENCE, || async {
        let job = granted(admin.gdpr_job_get().job_id(id).send().await, 200);
        (job.status == JobState::Succeeded).then_some(job)
    })
    .await
    .0
}

/// Core's rows by place, and what becomes of them.
fn of_core(items: &[ErasureItem]) -> BTreeMap<(String, String, String), (ErasureAction, i64)> {
    let core = items.iter().filter(|item| item.service != HoldingService::Telemetry && item.table != "audit_log");
    let place = |item: &ErasureItem| (item.store.clone(), item.table.clone(), item.found_by.clone());
    let mut places = BTreeMap::new();
    for item in core {
        // Several holdings may be found in one way, for different rows.
        places.entry(place(item)).or_insert((item.action, 0)).1 += item.rows;
    }
    places
}

#[tokio::test]
async fn the_registry_knows_every_column_of_the_database() {
    let app = CoreApp::start().await;
    let columns: BTreeSet<String> = sqlx::query_scalar(
        "select c.relname || '.' || a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
           and c.relname <> '_sqlx_migrations'",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap()
    .into_iter()
    .collect();
    let personal: BTreeSet<String> =
        registry(&app).into_iter().map(|(table, column)| format!("{table}.{column}")).collect();
    let mut impersonal = BTreeSet::new();
    for line in IMPERSONAL.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (names, reason) = line.split_once(": ").unwrap_or_else(|| panic!("no reason: {line}"));
        assert!(reason.len() > 15, "no real reason in gdpr_impersonal.txt: {line}");
        let (table, names) = names.split_once('.').unwrap_or_else(|| panic!("no table: {line}"));
        impersonal.extend(names.split(' ').map(|name| format!("{table}.{name}")));
    }
    let known: BTreeSet<String> = personal.union(&impersonal).cloned().collect();
    let missing: Vec<_> = columns.difference(&known).collect();
    assert!(missing.is_empty(), "neither in domain/gdpr/registry.rs nor in gdpr_impersonal.txt: {missing:?}");
    let gone: Vec<_> = known.difference(&columns).collect();
    assert!(gone.is_empty(), "columns that are not there (any more): {gone:?}");
    let both: Vec<_> = personal.intersection(&impersonal).collect();
    assert!(both.is_empty(), "personal and impersonal at once: {both:?}");
}

/// (table, column) of everything that is about people, from the program's own list.
fn registry(app: &CoreApp) -> Vec<(String, String)> {
    let printed = String::from_utf8(app.server.run("personal-data")).unwrap();
    let fields = |line: &str| -> (String, String) {
        let mut fields = line.split('\t').map(str::to_owned);
        (fields.next().unwrap(), fields.next().unwrap())
    };
    printed.lines().map(fields).collect()
}

#[tokio::test]
async fn an_erased_person_is_found_nowhere() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let planted = plant(app, &clerk).await;
    let other = granted(
        admin
            .patient_create()
            .body(CreatePatient {
                email: Some("other-person@example.org".to_owned()),
                ..CoreApp::new_patient("Otherfirst", "Otherlast")
            })
            .send()
            .await,
        201,
    );
    outbox_empty(app).await;

    // Before: everything is found where it was planted, in every column of the registry that holds text.
    let found = found_in_core(app).await;
    for (value, place) in PLANTED {
        assert!(found.get(place).is_some_and(|found| found.contains(value)), "{value} is not in {place}: {found:#?}");
    }
    for place in ["email_index", "phone_index", "national_id_index"] {
        assert!(
            found.contains_key(&format!("postgresql public.patients.{place}")),
            "{place} is not found by its blind index: {found:#?}"
        );
    }
    let there = found_in_telemetry(&clinic.telemetry).await;
    assert!(there.contains_key("postgresql audit.audit_personal.user_agent"), "{there:#?}");

    // An export shows each of them.
    let export = export(&admin, planted.person.user_id).await;
    let text = export.to_string();
    for (value, _) in PLANTED.iter().filter(|(_, place)| !place.starts_with("s3")) {
        assert!(text.contains(value), "{value} is not in the export: {text}");
    }
    assert!(!text.contains("Otherfirst"));
    outbox_empty(app).await;

    // A dry run says what would be, and changes nothing.
    let user = planted.person.user_id;
    let before = found_in_core(app).await;
    let asked = granted(admin.gdpr_user_erase().user_id(user).dry_run(true).send().await, 202);
    assert!(asked.dry_run);
    let dry = finished(&admin, asked.job_id).await;
    assert!(dry.receipt.is_empty() && dry.account, "{dry:?}");
    assert_eq!(found_in_core(app).await, before, "a dry run changed something");
    outbox_empty(app).await;

    let asked = granted(admin.gdpr_user_erase().user_id(user).send().await, 202);
    let job = finished(&admin, asked.job_id).await;
    assert_eq!(of_core(&job.receipt), of_core(&dry.plan), "what was done is what was planned");
    assert!(job.receipt.iter().any(|item| item.service == HoldingService::Telemetry), "{job:?}");
    let destroyed = of_core(&job.receipt)[&("postgresql".to_owned(), "data_keys".to_owned(), "data_key:id".to_owned())];
    assert_eq!(destroyed, (ErasureAction::DestroyKey, 1));

    // After: the same search finds nothing, and nobody of that name either.
    outbox_empty(app).await;
    let clerk_id = planted.person.clerk_id.as_str();
    assert_eq!(found_in_core(app).await, Found::new());
    assert_eq!(found_in_telemetry(&clinic.telemetry).await, Found::new());
    assert_eq!((app.search(clerk_id).await, clinic.telemetry.search(clerk_id).await), (Vec::new(), Vec::new()));
    assert!(!clerk.has(clerk_id), "the identity provider has the user no more");
    assert_eq!(app.count("select count(*) from calendar_feeds").await, 0);
    refused(app.actor(&planted.person).me_get().send().await, 401, "user_unknown");
    refused(admin.patient_get().patient_id(planted.patient.id).send().await, 404, "patient_not_found");
    assert_eq!(
        app.count("select count(*) from appointments where status = 'completed'").await,
        1,
        "a booked time stays"
    );

    // The trail itself stays whole.
    let trail = clinic.telemetry.admin(app.home().id);
    let (verified, _) = until("every audit row has its link", CoreApp::PATIENCE, || async {
        let verified = granted(trail.audit_verify().send().await, 200);
        (verified.complete && verified.waiting == 0).then_some(verified)
    })
    .await;
    assert!(verified.intact && verified.verified_to > 0, "{verified:?}");

    // Others are as they were.
    let same = granted(admin.patient_get().patient_id(other.id).send().await, 200);
    assert_eq!((same.version, same.email), (other.version, other.email));
    assert!(app.count("select count(*) from data_keys where wrapped <> ''").await >= 1);
    let sql = "select count(*) from specialists where name = 'Erased' and bookable";
    assert_eq!(app.count(sql).await, 0, "specialist {} is a shell", planted.specialist_id);

    // What the identity provider says of the person late brings nothing back.
    let users = app.count("select count(*) from users").await;
    let profile =
        json!({ "id": clerk_id, "at": 9_000, "first_name": "Plantedfirst", "email": "planted-email@example.org" });
    for event in [
        ClerkEvent::new("user.updated", profile.clone()),
        ClerkEvent::new("user.deleted", json!({ "id": clerk_id, "at": 9_001 })),
        ClerkEvent::new("user.updated", profile),
    ] {
        let answer = Answer::to(Clerk::sign(&[event])[0].to(&app.url())).await;
        assert_eq!(answer.status.as_u16(), 204, "{}", answer.body);
    }
    assert_eq!(app.count("select count(*) from users").await, users);
    assert_eq!((found_in_core(app).await, app.search(clerk_id).await), (Found::new(), Vec::new()));

    // Asked for again, it is the same job.
    let again = granted(admin.gdpr_user_erase().user_id(user).send().await, 202);
    assert_eq!((again.job_id, again.status), (asked.job_id, JobState::Succeeded));
}

async fn export(admin: &Actor, user: i64) -> Value {
    let mut stream = granted(admin.gdpr_user_export().user_id(user).send().await, 200).into_inner();
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await {
        body.extend_from_slice(&chunk.unwrap());
    }
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn anonymizing_keeps_what_is_counted() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let planted = plant(app, &clerk).await;
    let asked = granted(admin.gdpr_user_anonymize().user_id(planted.person.user_id).send().await, 202);
    finished(&admin, asked.job_id).await;
    assert_eq!(found_in_core(app).await, Found::new());
    assert_eq!(app.count("select count(*) from appointments").await, 3, "each booked time still counts");
    assert_eq!(app.count("select count(*) from appointments where status = 'cancelled'").await, 2);
    assert_eq!(app.count("select count(*) from patients").await, 1);
}

#[tokio::test]
async fn a_killed_process_finishes_when_it_is_back_and_a_failing_clerk_holds_up_nothing_else() {
    let clerk = ClerkApi::start([]).await;
    let mut app = with_clerk(&clerk).start().await;
    let admin = app.admin();
    let planted = plant(&app, &clerk).await;
    // Nobody listens where Telemetry should: the erasure stops in the middle.
    let asked = granted(admin.gdpr_user_erase().user_id(planted.person.user_id).send().await, 202);
    until("Core's part is done and Telemetry's fails", CoreApp::PATIENCE, || async {
        let job = granted(admin.gdpr_job_get().job_id(asked.job_id).send().await, 200);
        (job.last_error.as_deref() == Some("telemetry_unavailable") && !job.receipt.is_empty()).then_some(())
    })
    .await;
    let again = granted(admin.gdpr_user_erase().user_id(planted.person.user_id).send().await, 202);
    assert_eq!(again.job_id, asked.job_id, "while it runs it is the same job");
    app.server.kill();

    let telemetry = TelemetryApp::start().await;
    clerk.fail(true);
    app.server.environment_set("TELEMETRY_INTERNAL_URL", telemetry.url());
    app.server.start().await;
    let admin = app.admin();
    until("all but the identity provider's part is done", 3 * CoreApp::PATIENCE, || async {
        let job = granted(admin.gdpr_job_get().job_id(asked.job_id).send().await, 200);
        (job.last_error.as_deref() == Some("clerk_unavailable")).then_some(())
    })
    .await;
    assert_eq!(found_in_core(&app).await, Found::new());
    assert!(clerk.has(&planted.person.clerk_id) && clerk.calls() > 0);
    clerk.fail(false);
    let job = finished(&admin, asked.job_id).await;
    assert!(!clerk.has(&planted.person.clerk_id));
    let places: Vec<_> =
        job.receipt.iter().map(|item| (&item.store, &item.table, &item.found_by, &item.reason)).collect();
    let once = job.receipt.iter().filter(|item| item.table == "memberships").count();
    assert_eq!(once, 1, "a stage that was repeated is recorded once: {places:?}");
}

#[tokio::test]
async fn an_admin_erases_in_its_own_organization_only() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin, stranger) = (&clinic.core, clinic.core.admin(), clinic.core.other_admin());
    let planted = plant(app, &clerk).await;
    let (user, patient) = (planted.person.user_id, planted.patient.id);
    refused(stranger.gdpr_user_erase().user_id(user).send().await, 404, "user_not_found");
    refused(stranger.gdpr_user_anonymize().user_id(user).send().await, 404, "user_not_found");
    let export = stranger.request(Method::GET, &format!("/v1/gdpr/users/{user}/export"));
    Answer::to(export).await.refusal(404, "user_not_found");
    refused(stranger.gdpr_patient_erase().patient_id(patient).send().await, 404, "patient_not_found");
    let export = stranger.request(Method::GET, &format!("/v1/gdpr/patients/{patient}/export"));
    Answer::to(export).await.refusal(404, "patient_not_found");
    refused(admin.gdpr_user_erase().user_id(admin.person().user_id).send().await, 409, "last_admin");

    // A member of both clinics loses what the one has; account and login stay.
    app.membership_add(&planted.person, app.away().id, Role::Staff).await;
    let asked = granted(admin.gdpr_user_erase().user_id(user).send().await, 202);
    let job = finished(&admin, asked.job_id).await;
    assert!(!job.account);
    refused(stranger.gdpr_job_get().job_id(asked.job_id).send().await, 404, "erasure_not_found");
    assert!(clerk.has(&planted.person.clerk_id));
    let me = granted(app.actor(&planted.person).me_get().send().await, 200);
    assert_eq!(me.memberships.len(), 1);
    let found = found_in_core(app).await;
    assert_eq!(found.keys().collect::<Vec<_>>(), ["postgresql public.users.name"], "{found:#?}");
    // There is nobody left to erase, so it is the job that was.
    let again = granted(admin.gdpr_user_erase().user_id(user).send().await, 202);
    assert_eq!(again.job_id, asked.job_id);

    // Whoever runs the platform takes the account with all that is left.
    let asked = granted(app.superadmin().gdpr_user_erase().user_id(user).send().await, 202);
    let job = finished(&app.superadmin(), asked.job_id).await;
    assert!(job.account && job.organization_id.is_none());
    assert_eq!(found_in_core(app).await, Found::new());
    assert!(!clerk.has(&planted.person.clerk_id));
}

#[tokio::test]
async fn a_patient_without_a_user_is_erased_alone() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let patient = granted(admin.patient_create().body(planted_record(None)).send().await, 201);
    // One that is deleted already has the same right.
    granted(admin.patient_delete().patient_id(patient.id).send().await, 204);
    let asked = granted(admin.gdpr_patient_erase().patient_id(patient.id).send().await, 202);
    finished(&admin, asked.job_id).await;
    assert_eq!(found_in_core(app).await, Found::new());
    assert_eq!(clerk.calls(), 0);
    // The shell can't be filled again, not even by the owner.
    let fill = sqlx::query("update patients set email_index = 'x' where id = $1").bind(patient.id);
    assert!(fill.execute(&mut app.owner().await).await.is_err());
    let again = granted(admin.gdpr_patient_erase().patient_id(patient.id).send().await, 202);
    assert_eq!(again.job_id, asked.job_id);
}
