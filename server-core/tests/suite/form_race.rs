//! Concurrent writes of one form: those of different fields all land, and of two of one field one does.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};
use restartix_sdk::core::types::{Form, FormStatus, SigningMeaning, UpdateAppointment};
use serde_json::{Map, Value, json};
use test_support::{Actor, CoreApp, eventually, granted, in_days, refused};
use uuid::Uuid;

use crate::{
    appointment::unchanged,
    appointment_race::{outcome, outcomes},
    form::{Answered, history, item, medication, now, opened, save, saved, submit, submitted, template, values},
    form_amend::amending,
    form_appointment::attached,
    form_submit::sign,
    form_template::scale,
};

/// Number of concurrent saves, each of a field of its own.
const WRITERS: usize = 200;
/// Rounds of a race of two.
const ROUNDS: u32 = 10;

/// Opens a form of these items for a patient of the clinic.
async fn form_of(app: &CoreApp, items: &[Value]) -> (Actor, Form) {
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let template = template(&admin, items).await.id;
    let form = opened(&staff, template, patient).await;
    (staff, form)
}

/// Returns the answer that landed, and the one that was refused.
fn one_landed(both: (Answered, Answered)) -> (Form, Answered) {
    match both {
        (Ok(won), lost @ Err(_)) | (lost @ Err(_), Ok(won)) => (won.into_inner(), lost),
        both => panic!("one of them lands: {both:?}"),
    }
}

#[tokio::test]
async fn two_hundred_partial_saves_of_different_fields_all_land() {
    // There are fewer connections than saves, so some wait for one; they must get it before the timeout.
    let app = CoreApp::builder().env("DB_ACQUIRE_TIMEOUT", "60s").start().await;
    let key = |number: usize| format!("item_{number}");
    let items: Vec<Value> = (0..WRITERS)
        .map(|number| {
            let mut item = item(&key(number), "text");
            item["field"]["definition"]["phi"] = json!(number % 2 == 0);
            item
        })
        .collect();
    let (staff, form) = form_of(&app, &items).await;
    // All of them have read the form before anything was written.
    let saves = (0..WRITERS).map(|number| {
        let mut values = Map::new();
        values.insert(key(number), json!(format!("value {number}")));
        save(&staff, form.id, form.version, Value::Object(values))
    });
    let answers = join_all(saves).await;
    // Each answer has the field that its save named, and the number of saves until then as its version.
    let mut versions: Vec<i64> = answers.iter().flatten().map(|answer| answer.version).collect();
    versions.sort_unstable();
    let last = i64::try_from(WRITERS).unwrap() + 1;
    assert_eq!(versions, (2..=last).collect::<Vec<_>>());
    assert_eq!(outcomes(answers).await, BTreeMap::from([("200".to_owned(), WRITERS)]));
    let read = now(&staff, form.id).await;
    assert_eq!((read.version, read.values.len()), (last, WRITERS));
    for number in 0..WRITERS {
        assert_eq!(read.values.get(&key(number)), Some(&json!(format!("value {number}"))));
    }
    assert_eq!(app.count("select count(*) from form_changes where kind = 'saved'").await, last - 1);
}

#[tokio::test]
async fn of_two_writers_of_one_field_the_second_is_told_which_and_the_current_version() {
    let app = CoreApp::start().await;
    let (staff, form) = form_of(&app, &["raced", "first_only", "second_only"].map(|key| item(key, "text"))).await;
    let admin = app.admin();
    let mut version = form.version;
    for round in 0..ROUNDS {
        let first = json!({ "raced": format!("first {round}"), "first_only": round.to_string() });
        let second = json!({ "raced": format!("second {round}"), "second_only": round.to_string() });
        let both = join(save(&staff, form.id, version, first), save(&admin, form.id, version, second)).await;
        let (won, lost) = one_landed(both);
        version = won.version;
        let refusal = refused(lost, 409, "stale_version");
        assert_eq!(refusal.details, json!({ "version": version, "keys": ["raced"] }));
        assert_eq!(values(&now(&staff, form.id).await), values(&won), "a refused save changes nothing");
    }
}

#[tokio::test]
async fn a_writer_is_refused_only_for_fields_that_somebody_has_changed_to_another_value() {
    let app = CoreApp::start().await;
    let (staff, form) = form_of(&app, &["first", "second", "third"].map(|key| item(key, "text"))).await;
    let admin = app.admin();
    let base = saved(&staff, &form, json!({ "first": "a" })).await;
    saved(&staff, &base, json!({ "first": "b", "second": "x" })).await;
    let landed = saved(&admin, &base, json!({ "second": "x", "third": "c" })).await;
    assert_eq!(values(&landed), json!({ "first": "b", "second": "x", "third": "c" }));
    assert_eq!(landed.changed_in.get("second"), Some(&3), "it did not change again");
    let late = json!({ "first": "z", "second": null, "third": "d" });
    let refusal = refused(save(&staff, form.id, base.version, late).await, 409, "stale_version");
    assert_eq!(refusal.details, json!({ "version": landed.version, "keys": ["first", "second", "third"] }));
    // An answer that was removed in the meantime is a change, too.
    let removed = saved(&staff, &landed, json!({ "second": null })).await;
    let refusal = save(&admin, form.id, landed.version, json!({ "second": "y" })).await;
    assert_eq!(refused(refusal, 409, "stale_version").details["keys"], json!(["second"]));
    assert_eq!(now(&staff, form.id).await.version, removed.version);
}

#[tokio::test]
async fn two_saves_in_flight_on_different_fields_both_land() {
    let app = CoreApp::start().await;
    let (staff, form) = form_of(&app, &[item("mine", "text"), item("yours", "text")]).await;
    let admin = app.admin();
    let mut version = form.version;
    for round in 0..ROUNDS {
        let mine = save(&staff, form.id, version, json!({ "mine": format!("mine {round}") }));
        let yours = save(&admin, form.id, version, json!({ "yours": format!("yours {round}") }));
        let (mine, yours) = join(mine, yours).await;
        version = granted(mine, 200).version.max(granted(yours, 200).version);
        let expected = json!({ "mine": format!("mine {round}"), "yours": format!("yours {round}") });
        let read = now(&staff, form.id).await;
        assert_eq!((values(&read), read.version), (expected, version));
    }
}

#[tokio::test]
async fn an_entry_is_deleted_while_another_is_saved_and_a_third_is_added() {
    let app = CoreApp::start().await;
    let (staff, mut form) = form_of(&app, &[medication()]).await;
    let admin = app.admin();
    let entry = |id: Uuid, value: Value| json!({ "medication": { id.to_string(): value } });
    for round in 0..ROUNDS {
        let [deleted, changed, added] = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
        for id in [deleted, changed] {
            form = saved(&staff, &form, entry(id, json!({ "name": "A", "dose": 1 }))).await;
        }
        let delete = save(&staff, form.id, form.version, entry(deleted, Value::Null));
        let change = save(&admin, form.id, form.version, entry(changed, json!({ "dose": 2 })));
        let add = save(&admin, form.id, form.version, entry(added, json!({ "name": "B" })));
        let (delete, (change, add)) = join(delete, join(change, add)).await;
        for answer in [delete, change, add] {
            granted(answer, 200);
        }
        form = now(&staff, form.id).await;
        let expected = json!([{ "id": changed, "name": "A", "dose": 2 }, { "id": added, "name": "B" }]);
        assert_eq!(values(&form)["medication"], expected, "round {round}");
        for id in [changed, added] {
            form = saved(&staff, &form, entry(id, Value::Null)).await;
        }
    }
}

#[tokio::test]
async fn entries_that_many_add_at_once_are_all_there_and_no_more_than_the_group_takes() {
    let app = CoreApp::start().await;
    let mut few = medication();
    few["group"]["max_entries"] = json!(20);
    let (staff, form) = form_of(&app, &[few]).await;
    let ids: Vec<String> = (0..30).map(|_| Uuid::new_v4().to_string()).collect();
    let adding = ids.iter().map(|id| {
        let values = json!({ "medication": { id.as_str(): { "name": id } } });
        save(&staff, form.id, form.version, values)
    });
    let outcomes = outcomes(join_all(adding).await).await;
    assert_eq!(outcomes, BTreeMap::from([("200".to_owned(), 20), ("422 validation_failed".to_owned(), 10)]));
    let read = values(&now(&staff, form.id).await);
    let entries = read["medication"].as_array().unwrap();
    assert_eq!(entries.len(), 20);
    assert!(entries.iter().all(|entry| entry["id"] == entry["name"]), "{entries:?}");
}

#[tokio::test]
async fn what_is_submitted_is_what_was_read_even_if_somebody_saves_meanwhile() {
    let app = CoreApp::start().await;
    let (staff, form) = form_of(&app, &[scale("pain")]).await;
    let admin = app.admin();
    let mut form = saved(&staff, &form, json!({ "pain": 0 })).await;
    for round in 1..=ROUNDS {
        let pain = json!({ "pain": round });
        let (saving, submission) = join(save(&admin, form.id, form.version, pain.clone()), submit(&staff, &form)).await;
        let before = values(&form);
        granted(saving, 200);
        match outcome(submission).await.as_str() {
            // The save came afterwards, so that the form is a draft again.
            "200" | "409 stale_version" => {}
            other => panic!("round {round}: {other}"),
        }
        form = now(&staff, form.id).await;
        assert_eq!((form.status, values(&form)), (FormStatus::Draft, pain), "after {before}");
    }
    let versions: Vec<i64> = history(&staff, form.id).await.iter().map(|change| change.form_version).collect();
    assert!(versions.windows(2).all(|pair| pair[0] >= pair[1]), "{versions:?}");
}

#[tokio::test]
async fn a_form_is_amended_while_its_appointment_is_given_to_another_patient() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.specialist());
    let first = app.patient_create(&admin, "Ann", "Lee").await.id;
    let second = app.patient_create(&admin, "Tom", "Other").await.id;
    let asks = template(&admin, &[scale("pain")]).await.id;
    // The specialist keeps treating the patient.
    app.appointment_create(&admin, app.home().specialist_id, first, in_days(2, 9)).await;
    for round in 0..ROUNDS {
        let at = in_days(3 + u64::from(round), 9);
        let booked = app.appointment_create(&admin, app.home().specialist_id, first, at).await;
        let [form] = attached(&specialist, booked.id, &[asks]).await[..] else { panic!("one form") };
        let form = submitted(&specialist, &now(&specialist, form).await).await;
        let form = sign(&specialist, &form, SigningMeaning::Completion).await;
        let change = UpdateAppointment { patient_id: second, ..unchanged(&booked) };
        let given = admin.appointment_update().appointment_id(booked.id).body(change).send();
        let (amended, given) = join(amending(&specialist, &form), given).await;
        let amendment = granted(amended, 201).id;
        granted(given, 200);
        for left in [form.id, amendment] {
            assert_eq!(now(&specialist, left).await.appointment_id, None, "round {round}");
        }
    }
}

#[tokio::test]
async fn two_cores_see_each_others_saves() {
    let app = CoreApp::start().await;
    let (staff, form) = form_of(&app, &[item("here", "text"), item("there", "text")]).await;
    let second = app.second_core().await;
    let there = staff.at(&second.url());
    let first = saved(&there, &form, json!({ "there": "1" })).await;
    let both = saved(&staff, &first, json!({ "here": "2" })).await;
    assert_eq!(values(&both), json!({ "here": "2", "there": "1" }));
    eventually("the other process answers the same", CoreApp::HEARD, || async {
        now(&there, form.id).await.version == both.version
    })
    .await;
    let stale = save(&there, form.id, first.version, json!({ "here": "3" })).await;
    assert_eq!(refused(stale, 409, "stale_version").details["keys"], json!(["here"]));
}
