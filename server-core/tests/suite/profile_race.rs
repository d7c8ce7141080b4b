//! Concurrent writes of one profile: those of different fields all land, and of two of one field one does. A write
//! about one patient is refused if the appointment is given to another one meanwhile.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, Connection};
use test_support::{CoreApp, eventually, granted, in_days, refused};

use crate::{
    appointment_race::outcomes,
    custom_field::field,
    profile::{Of, get, set, update, value},
};

/// Number of concurrent writes.
const WRITERS: usize = 200;
/// Number of fields, the most that an entity has in use.
const FIELDS: usize = 200;

#[tokio::test]
async fn two_hundred_partial_writes_of_different_fields_all_land() {
    // There are fewer connections than writes, so some wait for one; they must get it before the timeout.
    let app = CoreApp::builder().env("DB_ACQUIRE_TIMEOUT", "60s").start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    for number in 0..FIELDS {
        field(&admin, "patient", &format!("field_{number}"), json!({ "phi": number % 2 == 0 })).await;
    }
    // All of them have read the profile before anything was written: the first row of it is raced for, too.
    let writes = (0..WRITERS).map(|number| {
        let mut values = Map::new();
        values.insert(format!("field_{number}"), json!(format!("value {number}")));
        update(&admin, Of::Patient(patient), 0, Value::Object(values))
    });
    assert_eq!(outcomes(join_all(writes).await).await, BTreeMap::from([("200".to_owned(), WRITERS)]));
    let profile = get(&admin, Of::Patient(patient)).await;
    assert_eq!(profile.version, i64::try_from(WRITERS).unwrap());
    for number in 0..WRITERS {
        let (stored, expected) = (value(&profile, &format!("field_{number}")), format!("value {number}"));
        assert_eq!(stored, Some(json!(expected)));
    }
}

#[tokio::test]
async fn of_two_writers_of_one_field_the_second_is_told_which() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    for key in ["raced", "first_only", "second_only"] {
        field(&admin, "patient", key, json!({})).await;
    }
    let mut version = 0;
    for round in 0..10 {
        let of = Of::Patient(patient);
        let first =
            update(&admin, of, version, json!({ "raced": format!("first {round}"), "first_only": round.to_string() }));
        let second = update(
            &admin,
            of,
            version,
            json!({ "raced": format!("second {round}"), "second_only": round.to_string() }),
        );
        let (won, lost) = match join(first, second).await {
            (Ok(won), lost @ Err(_)) | (lost @ Err(_), Ok(won)) => (won, lost),
            both => panic!("one of them lands: {both:?}"),
        };
        version = granted::<_, ()>(Ok(won), 200).version;
        let refusal = refused(lost, 409, "stale_version");
        assert_eq!(refusal.details, json!({ "version": version, "keys": ["raced"] }));
    }
}

/// Transactions of this database that wait for the end of another one.
const WAITING: &str = "select count(*) from pg_locks w
                       where w.locktype = 'transactionid' and not w.granted
                         and w.pid in (select d.pid from pg_locks d
                                       where d.database = (select oid from pg_database
                                                           where datname = current_database()))";

#[tokio::test]
async fn a_write_about_one_patient_is_never_stored_with_the_appointment_of_another() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let first = app.patient_create(&admin, "Ann", "Lee").await.id;
    let second = app.patient_create(&admin, "Tom", "Other").await.id;
    field(&admin, "appointment", "reason", json!({ "phi": true })).await;
    for begun in [false, true] {
        let hour = if begun { 9 } else { 11 };
        let booked = app.appointment_create(&admin, app.home().specialist_id, first, in_days(2, hour)).await.id;
        let of = Of::Appointment(booked);
        let version = if begun { set(&admin, of, 0, json!({ "reason": "Hip" })).await.version } else { 0 };
        let mut owner = app.owner().await;
        let mut change = owner.begin().await.unwrap();
        let give = format!("update appointments set patient_id = {second} where id = {booked}");
        sqlx::raw_sql(AssertSqlSafe(give)).execute(&mut *change).await.unwrap();
        let give = async {
            eventually("the write waits", CoreApp::PATIENCE, || async { app.count(WAITING).await == 1 }).await;
            change.commit().await.unwrap();
        };
        let (late, ()) = join(update(&admin, of, version, json!({ "reason": "Knee" })), give).await;
        refused(late, 409, "stale_version");
        assert_eq!(value(&get(&admin, of).await, "reason"), None);
    }
    assert_eq!(app.count("select count(*) from profile_values").await, 0);
}
