//! Concurrent bookings of one slot: one succeeds.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use restartix_sdk::{Envelope, Error, Failure, ResponseValue};
use test_support::{CoreApp, in_days};

/// Number of concurrent requests.
const RACERS: usize = 50;

/// Returns the status of an answer, and the code of a refusal.
pub(crate) async fn outcome<T, E: Envelope>(answer: Result<ResponseValue<T>, Error<E>>) -> String {
    match answer {
        Ok(done) => done.status().as_u16().to_string(),
        Err(error) => {
            let failure = Failure::read(error).await;
            format!("{} {}", failure.status.map_or(0, |s| s.as_u16()), failure.code.unwrap_or(failure.message))
        }
    }
}

/// Counts the answers by status and code.
pub(crate) async fn outcomes<T, E: Envelope>(
    answers: Vec<Result<ResponseValue<T>, Error<E>>>,
) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    for answer in answers {
        *outcomes.entry(outcome(answer).await).or_default() += 1;
    }
    outcomes
}

#[tokio::test]
async fn fifty_bookings_of_one_slot_make_one_appointment() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let mut patients = Vec::new();
    for number in 0..RACERS {
        patients.push(app.patient_create(&staff, "Racer", &format!("Number{number}")).await.id);
    }
    let attempts = patients.iter().map(|patient| {
        let body = CoreApp::new_appointment(app.home().specialist_id, *patient, in_days(2, 9));
        staff.appointment_create().body(body).send()
    });
    let outcomes = outcomes(join_all(attempts).await).await;
    let expected = BTreeMap::from([("201".to_owned(), 1), ("409 slot_taken".to_owned(), RACERS - 1)]);
    assert_eq!(outcomes, expected);
    assert_eq!(app.count("select count(*) from appointments").await, 1);
    assert_eq!(
        app.count("select count(*) from audit_log where entity_type = 'appointment' and outcome = 'succeeded'").await,
        1
    );
}
