//! Erasures: the data that they erase and keep, failures on the way, and repeated requests.

use std::collections::BTreeMap;

use reqwest::Method;
use restartix_sdk::core::types::{CreatePatient, ErasureAction, ErasureItem, HoldingService, JobState};
use test_support::{Answer, ClerkApi, CoreApp, Role, TelemetryApp, granted, in_days, refused, until};

use super::{
    clinic, execute, finished, outbox_empty,
    planting::{After, CLIENT_REQUEST, Found, plant, plant_in_telemetry, planted_record},
    registry::personal,
    with_clerk,
};

/// Returns Core's items by place, with action and number of rows.
fn of_core(items: &[ErasureItem]) -> BTreeMap<(String, String, String), (ErasureAction, i64)> {
    let core = items.iter().filter(|item| item.service != HoldingService::Telemetry && item.table != "audit_log");
    let place = |item: &ErasureItem| (item.store.clone(), item.table.clone(), item.found_by.clone());
    let mut places = BTreeMap::new();
    for item in core {
        // Several holdings may share a place, for different rows.
        places.entry(place(item)).or_insert((item.action, 0)).1 += item.rows;
    }
    places
}

#[tokio::test]
async fn an_erased_person_is_found_nowhere() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let planted = plant(app, &clerk).await;
    plant_in_telemetry(&clinic, &planted.person).await;
    let body = CreatePatient {
        email: Some("other-person@example.org".to_owned()),
        ..CoreApp::new_patient("Otherfirst", "Otherlast")
    };
    let other = granted(admin.patient_create().body(body).send().await, 201);
    outbox_empty(app).await;

    // Before the erasure, the search finds each planted value in its column.
    let before = planted.search(&clinic).await;
    let registry = personal(app);
    for line in &registry {
        let Some(needle) = planted.needle(line) else { continue };
        let place = format!("postgresql public.{}.{}", line.table, line.column);
        assert!(before[&needle.value].contains(&place), "{} is not in {place}: {before:#?}", needle.value);
        // Of a retained row, what is sealed under the person's key can't be opened any more.
        let retained = line.erase.starts_with("retain") && !line.column.ends_with("_encrypted");
        assert!(!retained || matches!(needle.after, After::Stays(_)), "{place} is retained, says the registry");
    }
    for needle in &planted.needles {
        let place = format!("postgresql public.{}.{}", needle.table, needle.column);
        assert!(before[&needle.value].contains(&place), "{} is not in {place}", needle.value);
    }
    for (column, value) in [
        ("user_agent", "planted-user-agent"),
        ("user_agent", "planted-agent-of-none"),
        ("client_request_id", CLIENT_REQUEST),
    ] {
        let place = format!("postgresql audit.audit_personal.{column}");
        assert!(before[value].contains(&place), "Telemetry has no {value}: {before:#?}");
    }
    let files = app.search("planted-file-body").await;
    assert_eq!(files.iter().filter(|place| place.store == "s3").count(), 2, "{files:?}");
    let events = clinic.telemetry.search("/planted-page").await;
    assert!(events.iter().any(|place| place.store == "clickhouse"), "{events:?}");

    // A dry run makes a plan and changes nothing. Only the platform can erase everything, with the account.
    let platform = app.superadmin();
    let user = planted.person.user_id;
    let asked = granted(platform.gdpr_user_erase().user_id(user).dry_run(true).send().await, 202);
    assert!(asked.dry_run);
    let dry = finished(&platform, asked.job_id).await;
    assert!(dry.receipt.is_empty() && dry.account, "{dry:?}");
    outbox_empty(app).await;
    let unchanged = planted.search(&clinic).await;
    // Rows about the dry run itself name the user.
    let of_values = |found: &Found| -> Found {
        found
            .iter()
            .filter(|(value, _)| planted.gone().any(|gone| gone == *value))
            .map(|(v, p)| (v.clone(), p.clone()))
            .collect()
    };
    assert_eq!(of_values(&unchanged), of_values(&before), "a dry run changed something");

    let asked = granted(platform.gdpr_user_erase().user_id(user).send().await, 202);
    let job = finished(&platform, asked.job_id).await;
    assert_eq!(of_core(&job.receipt), of_core(&dry.plan), "what was done is what was planned");
    assert!(job.receipt.iter().any(|item| item.service == HoldingService::Telemetry), "{job:?}");
    let destroyed = of_core(&job.receipt)[&("postgresql".to_owned(), "data_keys".to_owned(), "data_key:id".to_owned())];
    assert_eq!(destroyed, (ErasureAction::DestroyKey, 2), "of the record, and of the one that was merged into it");

    // After the erasure, the same search finds only the values that stay.
    outbox_empty(app).await;
    let after = planted.search(&clinic).await;
    for needle in &planted.needles {
        let place = format!("postgresql public.{}.{}", needle.table, needle.column);
        let places = &after[&needle.value];
        match needle.after {
            After::Nowhere => assert!(places.is_empty(), "{} is still in {places:?}", needle.value),
            After::NotThere => assert!(!places.contains(&place), "{} is still in {place}", needle.value),
            After::Stays(reason) => assert!(places.contains(&place), "{place} is gone, but {reason}"),
        }
    }
    assert_eq!(app.search("planted-file-body").await, Vec::new());
    let files = app.search("/users/").await.into_iter().filter(|place| place.store == "s3");
    assert_eq!(files.collect::<Vec<_>>(), Vec::new(), "not even their names are left");
    assert_eq!(clinic.telemetry.search("/planted-page").await, Vec::new());
    let clerk_id = planted.person.clerk_id.as_str();
    assert!(!clerk.has(clerk_id), "the identity provider has the user no more");
    refused(app.actor(&planted.person).me_get().send().await, 401, "user_unknown");
    refused(admin.patient_get().patient_id(planted.patient.id).send().await, 404, "patient_not_found");
    assert_eq!(
        app.count("select count(*) from appointments where status = 'completed'").await,
        1,
        "a booked time stays"
    );
    // Rows are deleted as a whole, and held appointments are released.
    let sql = "select (select count(*) from specialist_hours) + (select count(*) from specialist_exceptions)";
    assert_eq!(app.count(sql).await, 0, "when the person worked is nowhere");
    assert_eq!(app.count("select count(*) from calendar_feeds").await, 0, "no old link lives on");
    let sql = "select count(*) from appointments where title = 'Of another' and status = 'expired' and user_id is null";
    assert_eq!(app.count(sql).await, 1, "what the person held for another is held no more");

    // The audit trail stays complete.
    clinic.telemetry.sealed().await;
    let verified = granted(clinic.telemetry.admin(app.home().id).audit_verify().send().await, 200);
    assert!(verified.complete && verified.intact && verified.verified_to > 0, "{verified:?}");

    // Other patients have not changed.
    let same = granted(admin.patient_get().patient_id(other.id).send().await, 200);
    assert_eq!((same.version, same.email), (other.version, other.email));

    // A repeated request returns the same job.
    let again = granted(platform.gdpr_user_erase().user_id(user).send().await, 202);
    assert_eq!((again.job_id, again.status), (asked.job_id, JobState::Succeeded));
}

#[tokio::test]
async fn anonymizing_keeps_what_is_counted() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.superadmin());
    let planted = plant(app, &clerk).await;
    let asked = granted(admin.gdpr_user_anonymize().user_id(planted.person.user_id).send().await, 202);
    finished(&admin, asked.job_id).await;
    let mut left = planted.left_in_core(app).await;
    // Times of appointments identify nobody.
    left.retain(|_, places| places.iter().any(|place| !place.starts_with("postgresql public.appointments.")));
    assert_eq!(left, Found::new());
    assert_eq!(
        app.count("select count(*) from appointments where title = '' and title_encrypted is null").await,
        5,
        "each booked time still counts"
    );
    assert_eq!(app.count("select count(*) from appointments where status = 'cancelled'").await, 4);
    assert_eq!(app.count("select count(*) from appointments where status = 'expired' and holder is null").await, 1);
}

#[tokio::test]
async fn a_killed_process_finishes_when_it_is_back_and_a_failing_clerk_holds_up_nothing_else() {
    let clerk = ClerkApi::start([]).await;
    let mut app = with_clerk(&clerk).start().await;
    let admin = app.superadmin();
    let planted = plant(&app, &clerk).await;
    // Telemetry is down, so the erasure stops in the middle.
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
    let admin = app.superadmin();
    until("all but the identity provider's part is done", 3 * CoreApp::PATIENCE, || async {
        let job = granted(admin.gdpr_job_get().job_id(asked.job_id).send().await, 200);
        (job.last_error.as_deref() == Some("clerk_unavailable")).then_some(())
    })
    .await;
    let left = planted.left_in_core(&app).await;
    assert_eq!(left.keys().collect::<Vec<_>>(), [&planted.person.clerk_id], "{left:?}");
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
    let own = granted(admin.patient_create().body(planted_record()).send().await, 201);
    let person = app.member_add(Role::Staff).await;
    clerk.user_add(&person.clerk_id);
    let user = person.user_id;
    refused(stranger.gdpr_user_erase().user_id(user).send().await, 404, "user_not_found");
    refused(stranger.gdpr_user_anonymize().user_id(user).send().await, 404, "user_not_found");
    let export = stranger.request(Method::GET, &format!("/v1/gdpr/users/{user}/export"));
    Answer::to(export).await.refusal(404, "user_not_found");
    refused(stranger.gdpr_patient_erase().patient_id(own.id).send().await, 404, "patient_not_found");
    let export = stranger.request(Method::GET, &format!("/v1/gdpr/patients/{}/export", own.id));
    Answer::to(export).await.refusal(404, "patient_not_found");
    refused(admin.gdpr_user_erase().user_id(admin.person().user_id).send().await, 409, "last_admin");

    let asked = granted(admin.gdpr_user_erase().user_id(user).send().await, 202);
    finished(&admin, asked.job_id).await;
    refused(stranger.gdpr_job_get().job_id(asked.job_id).send().await, 404, "erasure_not_found");
}

#[tokio::test]
async fn a_patient_without_a_user_is_erased_alone() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let patient = granted(admin.patient_create().body(planted_record()).send().await, 201);
    let deleted = app.appointment_create(&admin, app.home().specialist_id, patient.id, in_days(2, 9)).await.id;
    granted(admin.appointment_delete().appointment_id(deleted).send().await, 204);
    assert_eq!(app.count("select count(*) from calendar_departures").await, 3);
    // A deleted record can be erased, too.
    granted(admin.patient_delete().patient_id(patient.id).send().await, 204);
    let asked = granted(admin.gdpr_patient_erase().patient_id(patient.id).send().await, 202);
    finished(&admin, asked.job_id).await;
    for value in ["Plantedfirst", "planted-email@example.org", "PLANTEDID777", "planted-clinical-note"] {
        assert_eq!(app.search(value).await, Vec::new(), "{value}");
    }
    assert_eq!(clerk.calls(), 0);
    assert_eq!(app.count("select count(*) from calendar_departures").await, 0, "in nobody's calendar, either");
    // Not even the owner of the table can write to the erased row.
    let fill = sqlx::query("update patients set email_index = 'x' where id = $1").bind(patient.id);
    assert!(fill.execute(&mut app.owner().await).await.is_err());
    let again = granted(admin.gdpr_patient_erase().patient_id(patient.id).send().await, 202);
    assert_eq!(again.job_id, asked.job_id);
}

/// Creates a patient record, and links it to a user.
async fn patient_of(app: &CoreApp, user: Option<i64>) -> i64 {
    let body = CoreApp::new_patient("Plantedfirst", "Plantedlast");
    let record = granted(app.admin().patient_create().body(body).send().await, 201).id;
    if let Some(user) = user {
        let sql = format!("update patients set user_id = {user} where id = {record}");
        execute(&mut app.owner().await, &sql).await;
    }
    record
}

#[tokio::test]
async fn a_request_that_is_repeated_is_the_same_job_while_it_runs_and_afterwards() {
    let clerk = ClerkApi::start([]).await;
    let mut app = with_clerk(&clerk).start().await;
    let (login, anonymized, worker, whole) = (
        app.member_add(Role::Patient).await,
        app.member_add(Role::Patient).await,
        app.member_add(Role::Staff).await,
        app.member_add(Role::Patient).await,
    );
    clerk.user_add(&whole.clerk_id);
    let without_login = patient_of(&app, None).await;
    let with_login = patient_of(&app, Some(login.user_id)).await;
    let kept = patient_of(&app, Some(anonymized.user_id)).await;
    let of_worker = patient_of(&app, Some(worker.user_id)).await;
    let of_whole = patient_of(&app, Some(whole.user_id)).await;

    // Each dry run is a job of its own.
    let mut dry = Vec::new();
    for _ in 0..2 {
        let asked = granted(app.admin().gdpr_patient_erase().patient_id(with_login).dry_run(true).send().await, 202);
        assert!(asked.dry_run);
        dry.push(asked.job_id);
    }
    assert_ne!(dry[0], dry[1]);

    // Returns the jobs in the order of the requests, two of which name a person by its record and by its user.
    let ask = async |app: &CoreApp| {
        let (admin, platform) = (app.admin(), app.superadmin());
        let mut jobs = Vec::new();
        for patient in [without_login, with_login, of_worker] {
            jobs.push(granted(admin.gdpr_patient_erase().patient_id(patient).send().await, 202));
        }
        jobs.push(granted(admin.gdpr_user_erase().user_id(login.user_id).send().await, 202));
        jobs.push(granted(admin.gdpr_patient_anonymize().patient_id(kept).send().await, 202));
        jobs.push(granted(platform.gdpr_user_erase().user_id(whole.user_id).send().await, 202));
        jobs.push(granted(platform.gdpr_patient_erase().patient_id(of_whole).send().await, 202));
        assert!(jobs.iter().all(|job| !job.dry_run));
        jobs.into_iter().map(|job| job.job_id).collect::<Vec<_>>()
    };
    let first = ask(&app).await;
    assert_eq!((first[1], first[5]), (first[3], first[6]), "the record of a patient's login goes with the login");
    let different: std::collections::BTreeSet<_> = first.iter().chain(&dry).collect();
    assert_eq!(different.len(), first.len() - 2 + dry.len());
    // Telemetry is down, so each job waits for it after Core's part.
    for (job, admin) in first.iter().zip([0, 0, 0, 0, 0, 1, 1]) {
        let asker = if admin == 0 { app.admin() } else { app.superadmin() };
        until("Core's part is done", 3 * CoreApp::PATIENCE, || async {
            let job = granted(asker.gdpr_job_get().job_id(*job).send().await, 200);
            (job.last_error.as_deref() == Some("telemetry_unavailable") && !job.receipt.is_empty()).then_some(())
        })
        .await;
    }
    assert_eq!(ask(&app).await, first, "while they run");

    app.server.stop().await;
    let telemetry = TelemetryApp::start().await;
    app.server.environment_set("TELEMETRY_INTERNAL_URL", telemetry.url());
    execute(&mut app.owner().await, "update jobs set run_at = now() where state = 'queued'").await;
    app.server.start().await;
    let (admin, platform) = (app.admin(), app.superadmin());
    for job in &first[..5] {
        finished(&admin, *job).await;
    }
    finished(&platform, first[5]).await;
    assert_eq!(ask(&app).await, first, "when they have finished");

    // An erased person can't be exported, planned, anonymized, or erased by another organization.
    for patient in [without_login, with_login, kept, of_worker, of_whole] {
        let export = admin.request(Method::GET, &format!("/v1/gdpr/patients/{patient}/export"));
        Answer::to(export).await.refusal(404, "patient_not_found");
        let dry = admin.gdpr_patient_erase().patient_id(patient).dry_run(true).send().await;
        refused(dry, 404, "patient_not_found");
        let stranger = app.other_admin();
        refused(stranger.gdpr_patient_erase().patient_id(patient).send().await, 404, "patient_not_found");
    }
    refused(admin.gdpr_patient_anonymize().patient_id(with_login).send().await, 404, "patient_not_found");
    refused(admin.gdpr_patient_erase().patient_id(of_whole).send().await, 404, "patient_not_found");
}
