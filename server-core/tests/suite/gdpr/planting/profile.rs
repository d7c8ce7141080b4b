//! Values of custom fields in the profiles of the person's records.

use serde_json::{Value, json};
use sqlx::PgConnection;
use test_support::CoreApp;

use super::{
    super::execute,
    table::{PATIENT, SPECIALIST, USER},
};
use crate::{
    custom_field::field,
    profile::{Of, set},
};

/// Writes a value of each type into the profiles of the patient and the specialist, and one of the clinic in the name
/// of the person.
pub(super) async fn plant(app: &CoreApp, owner: &mut PgConnection) {
    let admin = app.admin();
    for (entity, of, number) in [("patient", Of::Patient(PATIENT), 1), ("specialist", Of::Specialist(SPECIALIST), 2)] {
        let option = format!("planted_{entity}_choice");
        let choices = json!([{ "key": option, "label": "Planted" }]);
        let day = format!("1975-05-{}", 16 + number);
        let time = format!("03:17:4{number}");
        let moment = format!("1976-05-17T{time}.70018{}Z", 2 * number - 1);
        let fields: [(&str, Value, Value); 8] = [
            ("sealed", json!({ "phi": true }), json!(format!("planted-{entity}-sealed"))),
            ("text", json!({}), json!(format!("planted-{entity}-text"))),
            ("decimal", json!({ "field_type": "decimal" }), json!(format!("73002{number}.017{number}"))),
            ("boolean", json!({ "field_type": "boolean" }), json!(true)),
            ("date", json!({ "field_type": "date" }), json!(day)),
            ("time", json!({ "field_type": "time" }), json!(time)),
            ("datetime", json!({ "field_type": "datetime" }), json!(moment)),
            ("choices", json!({ "field_type": "multiple_choice", "options": choices }), json!([option])),
        ];
        let mut values = json!({});
        for (kind, definition, value) in fields {
            let key = format!("planted_{entity}_{kind}");
            field(&admin, entity, &key, definition).await;
            values[key] = value;
        }
        set(&admin, of, 0, values).await;
        let at = |last: i32| format!("1971-01-01 00:00:01.70018{last}+00");
        let (changed, created, updated) = (at(2 * number), at(2 * number + 3), at(2 * number + 4));
        let times = format!(
            "update profile_values set changed_at = '{changed}' where entity = '{entity}';
             update profiles set created_at = '{created}', updated_at = '{updated}' where entity = '{entity}'"
        );
        execute(owner, &times).await;
    }
    field(&admin, "organization", "planted", json!({})).await;
    set(&admin, Of::Organization(app.home().id), 0, json!({ "planted": "of the clinic" })).await;
    let by = format!("update profile_values set changed_by_user_id = {USER} where entity = 'organization'");
    execute(owner, &by).await;
}
