//! Cost of forms: a save of 300 fields takes as many statements and round trips as one of a single field.

use restartix_sdk::core::types::Form;
use serde_json::{Map, Value, json};
use test_support::{Actor, CoreApp, granted};

use crate::{
    form::{item, now, opened, saved},
    form_template::create,
    form_template_publish::publish,
    round_trip::costliest,
};

/// Number of fields of the form.
const FIELDS: usize = 300;

/// Creates a template of so many fields and a form of it.
async fn large_form(app: &CoreApp, staff: &Actor, patient: i64) -> Form {
    let admin = app.admin();
    let items: Vec<Value> = (0..FIELDS).map(|number| item(&key(number), "text")).collect();
    let sections: Vec<Value> = items
        .chunks(FIELDS / 2)
        .enumerate()
        .map(|(number, items)| json!({ "key": format!("part_{number}"), "label": "Part", "items": items }))
        .collect();
    let template = create(&admin, "Large", &json!({ "language": "en", "sections": sections })).await;
    publish(&admin, &template).await;
    opened(staff, template.id, patient).await
}

fn key(number: usize) -> String {
    format!("item_{number}")
}

/// Returns an answer to each field, different in each round.
fn answers(round: usize) -> Value {
    let all = (0..FIELDS).map(|number| (key(number), json!(format!("Answer {number} of {round}"))));
    Value::Object(all.collect::<Map<_, _>>())
}

#[tokio::test]
async fn a_save_takes_no_statement_a_field() {
    let app = CoreApp::builder().proxied().start().await;
    let staff = app.staff();
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let mut form = large_form(&app, &staff, patient).await;
    let id = form.id;
    let mut round = 0;
    let all = costliest(&app, "form_update of 300 fields", async || {
        round += 1;
        form = saved(&staff, &form, answers(round)).await;
    })
    .await;
    assert!((1..=4).contains(&all.awaited()), "a save locks, writes and commits: {all:?}");
    let one = costliest(&app, "form_update of one field", async || {
        round += 1;
        form = saved(&staff, &form, json!({ "item_0": format!("Answer of {round}") })).await;
    })
    .await;
    assert_eq!((all.awaited(), all.statements().len()), (one.awaited(), one.statements().len()));
    assert_eq!(form.values.len(), FIELDS);

    let said = costliest(&app, "form_get", async || {
        assert_eq!(now(&staff, id).await.values.len(), FIELDS);
    })
    .await;
    assert!((1..=3).contains(&said.awaited()), "a disclosure takes at most 3 awaited round trips: {said:?}");
    for _ in 0..3 {
        opened(&staff, form.form_template_id, patient).await;
    }
    let said = costliest(&app, "form_list", async || {
        let page = granted(staff.form_list().patient_id(patient).page_size(2).send().await, 200);
        assert!(page.data.len() == 2 && page.meta.total > 2);
    })
    .await;
    assert_eq!(said.awaited(), 1, "page and total of a list are one statement");
    let said = costliest(&app, "form_history_list", async || {
        granted(staff.form_history_list().form_id(id).page_size(2).send().await, 200);
    })
    .await;
    assert!((1..=2).contains(&said.awaited()), "page and total of a history are one statement, besides the form");
}
