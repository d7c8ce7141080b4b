//! Forms about the person: a draft, a signed one and one that is void.

use restartix_sdk::core::types::SigningMeaning;
use serde_json::{Value, json};
use sqlx::PgConnection;
use test_support::{CoreApp, Person, granted};

use super::{
    super::execute,
    table::{
        After::{self, NotThere, Nowhere, Stays},
        PATIENT, Planting, USER,
    },
};
use crate::{
    form::{opened, saved},
    form_submit::{asked, filled, sign, template},
    form_void::voiding,
};

/// Forms of the person, one after the other.
const DRAFT: i64 = 3_700_774_290;
pub(super) const SIGNED: i64 = DRAFT + 1;
pub(super) const VOIDED: i64 = DRAFT + 2;

const PROOF: After = Stays("proof that a form was signed, which nobody can open");
const HISTORY: After = Stays("of a signed form, which nobody is said to have changed");

/// Planted values of forms.
pub(super) const PLANTINGS: &[Planting] = &[
    (
        "forms",
        "patient:patient_id",
        &[
            ("patient_id", "$PATIENT", PROOF),
            ("name", "planted-form-name", PROOF),
            ("language", "planted-language", PROOF),
            ("due_at", "01.700202", PROOF),
            ("overdue_at", "01.700203", PROOF),
            ("created_at", "01.700201", PROOF),
            ("created_at", "01.700206", Nowhere),
            ("submitted_at", "01.700204", PROOF),
            ("signed_at", "01.700205", PROOF),
            ("content_hash", "planted-content-hash-of-32-bytes", PROOF),
            ("document_encrypted", "planted-draft-answer", Nowhere),
            ("content_encrypted", "planted-signed-answer", Nowhere),
            ("content_encrypted", "planted-void-answer", Nowhere),
        ],
    ),
    ("forms", "user:created_by_user_id", &[("created_by_user_id", "$USER", PROOF), ("created_at", "01.700201", PROOF)]),
    (
        "form_answers",
        "patient:patient_id",
        &[
            ("patient_id", "$PATIENT", NotThere),
            ("form_id", "$SIGNED", NotThere),
            ("key", "planted_open_text", NotThere),
            ("group_key", "planted_group", NotThere),
            ("entry", "00700211-0000-4000-8000-000000700211", NotThere),
            ("text_value", "planted-open-answer", Nowhere),
            ("number_value", "730023.0173", Nowhere),
            ("date_value", "1975-05-19", Nowhere),
            ("time_value", "03:17:43", Nowhere),
            ("datetime_value", "43.70021", Nowhere),
            ("choices_value", "planted_form_choice", NotThere),
            ("band", "planted_band", NotThere),
        ],
    ),
    (
        "form_signatures",
        "user:signer_user_id",
        &[
            ("signer_user_id", "$USER", PROOF),
            ("signed_at", "01.700207", PROOF),
            ("statement", "planted-statement", PROOF),
            ("statement_hash", "planted-statement-hash-32-bytes!", PROOF),
        ],
    ),
    (
        "form_voids",
        "data_key:data_key_id",
        &[
            ("form_id", "$VOIDED", PROOF),
            ("voided_at", "01.700208", PROOF),
            ("reason_encrypted", "planted-void-reason", Nowhere),
        ],
    ),
    (
        "form_voids",
        "user:voided_by_user_id",
        &[("voided_by_user_id", "$USER", NotThere), ("voided_at", "01.700208", PROOF)],
    ),
    (
        "form_changes",
        "patient:patient_id",
        &[
            ("patient_id", "$PATIENT", PROOF),
            ("form_id", "$SIGNED", PROOF),
            ("fields", "planted-changed-place", Nowhere),
            ("changed_at", "01.700209", HISTORY),
        ],
    ),
    ("form_changes", "user:user_id", &[("user_id", "$USER", NotThere), ("changed_at", "01.700209", HISTORY)]),
];

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
    granted(voiding(&admin, &form, "planted-void-reason").await, 200);
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
