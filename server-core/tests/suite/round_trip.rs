//! Database round trips of requests, counted as the ReadyForQuery messages that pass a proxy between Core and
//! PostgreSQL while the request runs.

use restartix_sdk::core::types::SpecialtyInput;
use test_support::{Conversation, CoreApp, Kind, Trip, granted, in_days};

use crate::{form_template, form_template_preview, form_template_publish};

/// Number of repetitions of each request: the first ones prepare statements, the last ones are counted.
const WARM_UP: usize = 5;
const COUNTED: usize = 5;

/// Returns the conversation with the most round trips of several identical requests.
pub(crate) async fn costliest(app: &CoreApp, what: &str, mut request: impl AsyncFnMut()) -> Conversation {
    let mut costliest: Option<Conversation> = None;
    for round in 0..WARM_UP + COUNTED {
        app.proxy().listen();
        request().await;
        let said = app.proxy().said();
        if round >= WARM_UP && costliest.as_ref().is_none_or(|known| said.awaited() > known.awaited()) {
            costliest = Some(said);
        }
    }
    let said = costliest.expect("something was counted");
    let ready = said.0.iter().filter(|trip| trip.user == Kind::Core.app()).count();
    assert_eq!(ready, said.awaited(), "{what}: PostgreSQL is woken for nothing, e.g. when a connection is given back");
    let authenticating = said.statements().iter().filter(|statement| statement.sql.contains("from users u")).count();
    assert_eq!(authenticating, 0, "{what}: a caller seen a moment ago costs a query");
    let as_owner = |trip: &&Trip| trip.user == Kind::Core.owner() && trip.awaited() && !trip.background();
    let owner = said.0.iter().filter(as_owner).count();
    assert_eq!(owner, 0, "{what}: a clinic's caller works as the owner: {said:?}");
    said
}

#[tokio::test]
async fn requests_keep_within_their_round_trips() {
    let app = CoreApp::builder().proxied().start().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    // The appointment has a title: sealing it must cost no round trip.
    let titled = |at| {
        let mut body = CoreApp::new_appointment(specialist, patient, at);
        body.title = Some("Knee".to_owned());
        body
    };
    let first = granted(staff.appointment_create().body(titled(in_days(1, 9))).send().await, 201);
    app.appointment_create(&staff, specialist, patient, in_days(1, 11)).await;

    let said = costliest(&app, "appointment_get", async || {
        assert_eq!(granted(staff.appointment_get().appointment_id(first.id).send().await, 200).title, "Knee");
    })
    .await;
    assert_eq!(said.awaited(), 1, "get is one statement");

    let mut day = 2;
    let said = costliest(&app, "appointment_create", async || {
        day += 1;
        granted(staff.appointment_create().body(titled(in_days(day, 9))).send().await, 201);
    })
    .await;
    assert!((1..=3).contains(&said.awaited()), "create takes at most 3 awaited round trips");

    // A full page, so that the total needs a count.
    let said = costliest(&app, "appointment_list", async || {
        let page = granted(staff.appointment_list().page_size(2).send().await, 200);
        assert!(page.meta.total > 2 && page.data.iter().any(|entry| entry.title == "Knee"));
    })
    .await;
    assert_eq!(said.awaited(), 1, "page and total of a list are one statement");

    app.schedule_set(&app.admin(), specialist, CoreApp::new_schedule()).await;
    for (_, waits) in app.patients_add(3).await {
        let wish = crate::waitlist::wish(specialist, Some(waits), in_days(1, 0), in_days(9, 0));
        let entry = crate::waitlist::wait(&staff, wish).await;
        crate::waitlist::offer(&app, entry.id).await;
    }
    crate::waitlist::settled(&app).await;
    let said = costliest(&app, "waitlist_entry_list", async || {
        let page = granted(staff.waitlist_entry_list().page_size(2).send().await, 200);
        assert!(page.meta.total == 3 && page.data.iter().all(|entry| entry.offer.is_some()));
    })
    .await;
    assert_eq!(said.awaited(), 1, "however many wait and are offered something, they are one statement");

    let said = costliest(&app, "specialist_availability_get", async || {
        let month = staff.specialist_availability_get().specialist_id(specialist);
        let month = granted(month.from(in_days(1, 0)).to(in_days(32, 0)).send().await, 200);
        assert!(month.data.len() > 200, "a month of working days: {}", month.data.len());
    })
    .await;
    assert_eq!(said.awaited(), 1, "a month of open slots is one statement");

    let said = costliest(&app, "patient_get", async || {
        granted(staff.patient_get().patient_id(patient).send().await, 200);
    })
    .await;
    assert!((1..=3).contains(&said.awaited()), "a disclosure takes at most 3 awaited round trips");
}

#[tokio::test]
async fn lists_and_deletions_keep_within_their_round_trips() {
    let app = CoreApp::builder().proxied().start().await;
    let (admin, staff) = (app.admin(), app.staff());
    for name in ["Lee", "Moe", "Nye"] {
        app.patient_create(&staff, "Ann", name).await;
    }
    let create = async |name: String| {
        let body = SpecialtyInput { name, description: None };
        granted(admin.specialty_create().body(body).send().await, 201).id
    };
    let (mut unused, mut used) = (Vec::new(), Vec::new());
    for number in 0..WARM_UP + COUNTED {
        unused.push(create(format!("Unused {number}")).await);
        used.push(create(format!("Used {number}")).await);
        let mut specialist = CoreApp::new_specialist(&format!("Dr. {number}"));
        specialist.specialty_ids = vec![used[number]];
        granted(admin.specialist_create().body(specialist).send().await, 201);
    }

    // Full pages, so that the totals need a count.
    let said = costliest(&app, "specialty_list", async || {
        let page = granted(staff.specialty_list().page_size(2).send().await, 200);
        assert!(page.data.len() == 2 && page.meta.total > 2);
    })
    .await;
    assert_eq!(said.awaited(), 1, "page and total of a list are one statement");
    let said = costliest(&app, "specialist_list", async || {
        let page = granted(staff.specialist_list().page_size(1).bookable(true).send().await, 200);
        assert!(page.data.len() == 1 && page.meta.total > 1);
    })
    .await;
    assert_eq!(said.awaited(), 1, "what specialists practise comes with them");
    let said = costliest(&app, "patient_list", async || {
        let page = granted(staff.patient_list().page_size(2).send().await, 200);
        assert!(page.data.len() == 2 && page.meta.total > 2);
    })
    .await;
    assert!((1..=3).contains(&said.awaited()), "a disclosed list is one statement between begin and commit");
    let said = costliest(&app, "member_list", async || {
        let page = admin.member_list().organization_id(app.home().id).page_size(1).send().await;
        assert!(granted(page, 200).meta.total > 1);
    })
    .await;
    assert!((1..=3).contains(&said.awaited()), "so it is of what no table holds, but a function");

    let said = costliest(&app, "specialty_delete", async || {
        let id = unused.pop().expect("one a round");
        granted(admin.specialty_delete().specialty_id(id).send().await, 204);
    })
    .await;
    assert!((1..=3).contains(&said.awaited()), "the savepoint goes with the deletion");
    let said = costliest(&app, "specialty_delete, of one in use", async || {
        let id = used.pop().expect("one a round");
        granted(admin.specialty_delete().specialty_id(id).send().await, 204);
    })
    .await;
    assert!((1..=4).contains(&said.awaited()), "going back goes with the archiving");
}

#[tokio::test]
async fn form_templates_keep_within_their_round_trips() {
    let app = CoreApp::builder().proxied().start().await;
    let admin = app.admin();
    let (mut own, mut referring) = (Vec::new(), Vec::new());
    let field = form_template::custom_field(&admin, "allergies").await;
    for number in 0..WARM_UP + COUNTED {
        own.push(form_template::created(&admin).await);
        let pinned = form_template::definition(&[form_template::pinned("allergies", field, 1)]);
        referring.push(form_template::create(&admin, &format!("Allergies {number}"), &pinned).await);
    }
    let id = referring[0].id;
    let said = costliest(&app, "form_template_get", async || {
        let template = granted(admin.form_template_get().form_template_id(id).send().await, 200);
        assert_eq!(template.fields.len(), 1);
    })
    .await;
    assert_eq!(said.awaited(), 1, "a draft comes with its custom fields and its faults");
    let said = costliest(&app, "form_template_list", async || {
        let page = granted(admin.form_template_list().page_size(2).send().await, 200);
        assert!(page.data.len() == 2 && page.meta.total > 2);
    })
    .await;
    assert_eq!(said.awaited(), 1, "page and total of a list are one statement");
    let said = costliest(&app, "form_template_preview", async || {
        let preview = form_template_preview::preview(&admin, id, &serde_json::json!({ "values": {} })).await;
        assert!(preview["evaluation"]["items"].is_array());
    })
    .await;
    assert_eq!(said.awaited(), 1, "a preview reads what it needs with the draft");
    let said = costliest(&app, "form_template_publish", async || {
        form_template_publish::publish(&admin, &own.pop().expect("one a round")).await;
    })
    .await;
    assert!((1..=4).contains(&said.awaited()), "publishing locks, writes and commits");
    let said = costliest(&app, "form_template_publish, of one with custom fields", async || {
        form_template_publish::publish(&admin, &referring.pop().expect("one a round")).await;
    })
    .await;
    assert!((1..=5).contains(&said.awaited()), "all custom fields are looked up in one statement");
}

#[tokio::test]
async fn a_caller_is_looked_up_once() {
    let app = CoreApp::builder().proxied().start().await;
    let staff = app.staff();
    let lookups = |said: &Conversation| {
        said.statements().iter().filter(|statement| statement.sql.contains("from users u")).count()
    };
    // The request is refused after authentication and before any other query.
    let call = async || {
        let request = staff.request(reqwest::Method::GET, "/v1/patients?page_size=1000");
        test_support::Answer::to(request).await.refusal(400, "invalid_parameter");
    };
    app.proxy().listen();
    call().await;
    assert_eq!(lookups(&app.proxy().said()), 1, "a caller that was never seen costs the query that later ones save");
    // The caller was seen a second ago.
    let seen = std::time::Instant::now();
    test_support::eventually("a second has passed", CoreApp::PATIENCE, || async { seen.elapsed().as_secs() >= 1 })
        .await;
    app.proxy().listen();
    call().await;
    assert_eq!(app.proxy().said().statements(), Vec::<&test_support::Statement>::new());
    // The caller's invitations are read in one round trip.
    app.proxy().listen();
    granted(staff.me_get().send().await, 200);
    assert_eq!(app.proxy().said().awaited(), 1);
}
