//! Forms about the person: a draft, a signed one and one that is void.

use restartix_sdk::core::types::{SigningMeaning, VoidForm};
use serde_json::{Value, json};
use sqlx::PgConnection;
use test_support::{CoreApp, Person, granted};

use super::{
    super::execute,
    table::{DRAFT, PATIENT, SIGNED, USER, VOIDED},
};
use crate::{
    form::{opened, saved},
    form_submit::{asked, filled, sign, template},
};

/// Fills in forms as the person, and gives what no operation states unique values.
pub(super) async fn plant(app: &CoreApp, owner: &mut PgConnection, person: &Person) {
    execute(owner, &format!("alter table forms alter column id restart with {DRAFT}")).await;
    let (admin, client) = (app.admin(), app.actor(person));
    let mut choices = asked("choices", "multiple_choice", false);
    choices["field"]["definition"]["options"] = json!([{ "key": "planted_form_choice", "label": "Planted" }]);
    let group = json!({ "key": "planted_group", "group": {
        "label": "Group", "max_entries": 5, "items": [asked("planted_open_text", "text", false)],
    } });
    let bands = json!([{ "key": "planted_band", "label": "Planted", "from": "0" }]);
    let score = json!({ "key": "score", "score": {
        "label": "Score", "formula": "sum", "inputs": [{ "key": "number" }], "decimals": 4, "bands": bands,
    } });
    let open = |kind: &str| asked(kind, kind, false);
    let mut number = open("decimal");
    number["key"] = json!("number");
    let items = [asked("secret", "text", true), open("boolean"), open("date"), open("time"), open("datetime"), number];
    let items = [&items[..], &[choices, group, score][..]].concat();
    let template = template(&admin, &items, &[("patient", "consent")]).await;
    let secret = |text: &str| json!({ "secret": text });
    let draft = opened(&client, template.id, PATIENT).await;
    saved(&client, &draft, secret("planted-draft-answer")).await;
    let mut answers: Value = json!({
        "secret": "planted-signed-answer", "boolean": true, "date": "1975-05-19", "time": "03:17:43",
        "datetime": "1976-05-17T03:17:43.700210Z", "number": "730023.0173", "choices": ["planted_form_choice"],
    });
    answers["planted_group"] =
        json!({ "00700211-0000-4000-8000-000000700211": { "planted_open_text": "planted-open-answer" } });
    let form = filled(&client, &template, PATIENT, answers).await;
    sign(&client, &form, SigningMeaning::Consent).await;
    let form = filled(&client, &template, PATIENT, secret("planted-void-answer")).await;
    let form = sign(&client, &form, SigningMeaning::Consent).await;
    let body = VoidForm { reason: "planted-void-reason".to_owned(), version: form.version };
    granted(admin.form_void().form_id(form.id).body(body).send().await, 200);
    let at = |last: i32| format!("1971-01-01 00:00:01.7002{last:02}+00");
    let (created, due, overdue, submitted, signed) = (at(1), at(2), at(3), at(4), at(5));
    let (drafted, stated, voided, changed) = (at(6), at(7), at(8), at(9));
    // Nobody but a superuser who turns triggers off changes what was signed.
    let sql = format!(
        "set session_replication_role = replica;
         update forms set name = 'planted-form-name', language = 'planted-language', created_at = '{created}',
                          due_at = '{due}', overdue_at = '{overdue}', submitted_at = '{submitted}',
                          signed_at = '{signed}', content_hash = 'planted-content-hash-of-32-bytes'
         where id = {SIGNED};
         update forms set created_at = '{drafted}' where id = {DRAFT};
         update form_signatures set signed_at = '{stated}', statement_hash = 'planted-statement-hash-32-bytes!',
                                    statement = statement || '{{\"planted\": \"planted-statement\"}}'
         where form_id = {SIGNED};
         update form_voids set voided_at = '{voided}', voided_by_user_id = {USER} where form_id = {VOIDED};
         update form_changes set changed_at = '{changed}', fields = '{{planted-changed-place}}'
         where form_id = {SIGNED};
         set session_replication_role = origin"
    );
    execute(&mut app.database.superuser().await, &sql).await;
}
