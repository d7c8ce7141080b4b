//! Versions of templates that forms ask, which only a migration changes, and the history of forms.

use chrono::{TimeDelta, Utc};
use restartix_sdk::core::types::{FormHistoryKind, FormStatus, MigrateForm, Scope};
use serde_json::{Map, Value, json};
use test_support::{CoreApp, granted, refused};
use uuid::Uuid;

use crate::{
    audit::Trail,
    form::{asked, history, item, medication, migrate, now, of, opened, saved, submit, submitted, template, values},
    form_submit::required,
    form_template::{create, definition, redraft, scale},
    form_template_publish::{publish, request},
    form_void::voided,
};

#[tokio::test]
async fn a_form_moves_to_another_version_only_by_migrate_and_only_where_every_answer_fits() {
    let app = CoreApp::start().await;
    let (admin, staff, me) = (app.admin(), app.staff(), app.patient());
    let patient = app.patient_record().await.id;
    let first = template(&admin, &[scale("pain"), item("note", "text"), item("since", "date"), medication()]).await;
    let form = opened(&staff, first.id, patient).await;
    let entry = Uuid::new_v4().to_string();
    let answers = json!({
        "pain": 7, "note": "Worse", "since": "2026-01-31", "medication": { entry.as_str(): { "name": "A", "dose": 2 } },
    });
    let form = saved(&staff, &form, answers).await;
    refused(migrate(&staff, &form).await, 409, "nothing_to_migrate");

    // The next version has no note, asks another type of since, and other doses.
    let mut smaller = medication();
    smaller["group"]["items"] = json!([item("name", "text"), item("dose", "boolean")]);
    let items = [scale("pain"), item("since", "integer"), smaller, scale("fatigue")];
    let second = redraft(&admin, &first, &definition(&items)).await;
    publish(&admin, &second).await;
    let kept = saved(&staff, &form, json!({ "pain": 8 })).await;
    assert_eq!(kept.form_template_version, 1, "a save is checked against the version that the form was opened with");
    let refusal = refused(migrate(&staff, &kept).await, 422, "validation_failed");
    let dose = format!("/values/medication/{entry}/dose");
    let pointers: Vec<&str> = refusal.fields().into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(pointers, [dose.as_str(), "/values/note", "/values/since"], "{:#}", refusal.details);
    assert_eq!(now(&staff, form.id).await.form_template_version, 1);

    let clearing = json!({ "note": null, "since": null, "medication": { entry.as_str(): { "dose": null } } });
    let fitting = saved(&staff, &kept, clearing).await;
    refused(migrate(&me, &fitting).await, 403, "permission_denied");
    refused(migrate(&staff, &kept).await, 409, "stale_version");
    let moved = granted(migrate(&staff, &fitting).await, 200);
    assert_eq!((moved.form_template_version, moved.version), (2, fitting.version + 1));
    assert_eq!((values(&moved), moved.status), (values(&fitting), FormStatus::Draft));
    let last = &history(&staff, form.id).await[0];
    assert_eq!((last.kind, last.form_version), (FormHistoryKind::Migrated, moved.version));
    assert_eq!((last.form_template_version, last.user_id), (2, Some(app.home().staff.user_id)));
    assert_eq!(asked(&now(&staff, form.id).await), ["pain", "since", "medication", "fatigue"]);
    let answered = saved(&staff, &moved, json!({ "fatigue": 3 })).await;
    assert_eq!(answered.form_template_version, 2);
    refused(migrate(&staff, &answered).await, 409, "nothing_to_migrate");
}

#[tokio::test]
async fn a_submitted_form_moves_to_the_version_that_is_named_and_becomes_a_draft() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let first = template(&admin, &[scale("pain")]).await;
    let form = saved(&staff, &opened(&staff, first.id, patient).await, json!({ "pain": 3 })).await;
    let form = submitted(&staff, &form).await;
    let mut draft = first.clone();
    for added in ["fatigue", "sleep"] {
        draft = redraft(&admin, &draft, &definition(&[scale("pain"), required(scale(added))])).await;
        publish(&admin, &draft).await;
    }
    granted(admin.form_template_delete().form_template_id(first.id).send().await, 204);
    let migrate = async |version: i64, to: i32| {
        let body = MigrateForm { form_template_version: Some(to), version };
        staff.form_migrate().form_id(form.id).body(body).send().await
    };
    for (to, rule) in [(4, "unknown_reference"), (0, "minimum")] {
        let refusal = refused(migrate(form.version, to).await, 422, "validation_failed");
        assert_eq!(refusal.fields(), [("/form_template_version", rule)]);
    }
    refused(migrate(form.version, 1).await, 409, "nothing_to_migrate");
    let moved = granted(migrate(form.version, 2).await, 200);
    assert_eq!((moved.form_template_version, moved.status), (2, FormStatus::Draft));
    assert_eq!((moved.submitted_at, values(&moved)), (None, json!({ "pain": 3 })));
    let missing = refused(submit(&staff, &moved).await, 422, "validation_failed");
    assert_eq!(missing.fields(), [("/values/fatigue", "required")], "the version asks more");
    let back = refused(migrate(moved.version, 1).await, 422, "validation_failed");
    assert_eq!(back.fields(), [("/form_template_version", "minimum")]);
}

#[tokio::test]
async fn a_form_opened_before_the_next_version_or_the_archiving_is_finished() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let template = template(&admin, &[required(scale("pain"))]).await;
    let form = opened(&staff, template.id, patient).await;
    let next = redraft(&admin, &template, &definition(&[required(scale("fatigue"))])).await;
    publish(&admin, &next).await;
    granted(admin.form_template_delete().form_template_id(template.id).send().await, 204);
    refused(staff.form_create().body(of(template.id, patient)).send().await, 409, "form_template_archived");
    let refusal = refused(submit(&staff, &form).await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/values/pain", "required")]);
    let whole = submitted(&staff, &saved(&staff, &form, json!({ "pain": 4 })).await).await;
    assert_eq!((whole.status, whole.form_template_version), (FormStatus::Submitted, 1));
    assert_eq!(asked(&now(&staff, form.id).await), ["pain"]);
}

#[tokio::test]
async fn the_history_tells_who_changed_which_fields_and_when() {
    let app = CoreApp::start().await;
    let (admin, staff, me) = (app.admin(), app.staff(), app.patient());
    let patient = app.patient_record().await.id;
    let template = template(&admin, &[scale("pain"), item("note", "text"), medication()]).await.id;
    let before = Utc::now() - TimeDelta::seconds(5);
    let form = opened(&staff, template, patient).await;
    let entry = Uuid::new_v4();
    let by_me = json!({ "pain": 7, "note": "Worse", "medication": { entry.to_string(): { "name": "Planted-drug" } } });
    let form = saved(&me, &form, by_me).await;
    let key = app.program(&[Scope::FormsRead, Scope::FormsWrite]).await;
    let form = saved(&key, &form, json!({ "note": null, "pain": 7 })).await;
    let form = submitted(&staff, &form).await;
    let told = history(&admin, form.id).await;
    let said: Vec<_> = told.iter().map(|change| (change.kind, change.form_version, change.user_id)).collect();
    let (home, kinds) = (app.home(), FormHistoryKind::Saved);
    let expected = [
        (FormHistoryKind::Submitted, 4, Some(home.staff.user_id)),
        (kinds, 3, None),
        (kinds, 2, Some(home.patient.user_id)),
        (FormHistoryKind::Created, 1, Some(home.staff.user_id)),
    ];
    assert_eq!(said, expected, "a key is no user");
    let fields = |at: usize| {
        let mut fields = told[at].fields.clone();
        fields.sort();
        fields
    };
    assert_eq!(fields(1), ["note"], "an answer that stays is no change");
    assert_eq!(fields(2), [format!("medication/{entry}/name"), "note".to_owned(), "pain".to_owned()]);
    assert_eq!((fields(0).len(), fields(3).len()), (0, 0), "nothing was hidden, and nothing filled in");
    assert!(told.iter().all(|change| change.changed_at >= before && change.form_template_version == 1));
    assert!(told.windows(2).all(|pair| pair[0].changed_at >= pair[1].changed_at && pair[0].id > pair[1].id));
    let page = granted(staff.form_history_list().form_id(form.id).page(2).page_size(1).send().await, 200);
    assert_eq!((page.meta.total, page.data[0].form_version), (4, 3));
    refused(me.form_history_list().form_id(form.id).send().await, 403, "permission_denied");
    let stored = "select count(*) from form_changes c where c::text like '%Planted-drug%' or c::text like '%Worse%'";
    assert_eq!(app.count(stored).await, 0, "it has names, no values");
}

#[tokio::test]
async fn the_history_names_a_bounded_number_of_places() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let keys: Vec<String> = (0..21).map(|number| format!("field_{number}")).collect();
    let fields: Vec<Value> = keys.iter().map(|key| item(key, "integer")).collect();
    let group = json!({ "key": "visits", "group": { "label": "Visits", "max_entries": 50, "items": fields } });
    let template = template(&app.admin(), &[group]).await.id;
    let form = opened(&staff, template, patient).await;
    let ids: Vec<String> = (0..50).map(|_| Uuid::new_v4().to_string()).collect();
    let entry: Map<String, Value> = keys.iter().map(|key| (key.clone(), json!(1))).collect();
    let entries: Map<String, Value> = ids.iter().map(|id| (id.clone(), entry.clone().into())).collect();
    let form = saved(&staff, &form, json!({ "visits": entries })).await;
    assert_eq!(form.values["visits"].as_array().unwrap().len(), 50, "all is saved");
    let places: Vec<String> =
        ids.iter().flat_map(|id| keys.iter().map(move |key| format!("visits/{id}/{key}"))).collect();
    assert_eq!(places.len(), 1050);
    assert_eq!(history(&staff, form.id).await[0].fields, places[..1000]);
}

#[tokio::test]
async fn writes_leave_their_events_with_the_names_of_fields() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let first = template(&admin, &[scale("pain"), medication()]).await;
    let mut trail = Trail::new(&app).await;
    trail.next().await;
    let form = opened(&staff, first.id, patient).await;
    let entry = Uuid::new_v4();
    let values = json!({ "pain": 3, "medication": { entry.to_string(): { "name": "A" } } });
    let form = saved(&staff, &form, values).await;
    let form = saved(&staff, &form, json!({ "pain": 3 })).await;
    let next = redraft(&admin, &first, &definition(&[scale("pain"), medication(), scale("sleep")])).await;
    publish(&admin, &next).await;
    let form = granted(migrate(&staff, &form).await, 200);
    granted(staff.form_delete().form_id(form.id).send().await, 204);
    let rows: Vec<_> = trail.next().await.into_iter().filter(|row| row.entity_type == "form").collect();
    let rows: Vec<_> = rows.into_iter().filter(|row| row.action != "read").collect();
    let said: Vec<_> = rows.iter().map(|row| (row.operation_id.as_str(), row.action.as_str())).collect();
    let expected = [
        ("form_create", "created"),
        ("form_update", "saved"),
        ("form_migrate", "migrated"),
        ("form_delete", "deleted"),
    ];
    assert_eq!(said, expected);
    let mut changed = rows[1].changed_fields.clone();
    changed.sort();
    // Telemetry refuses names of entries; the history of the form has them.
    assert_eq!(changed, ["values.medication", "values.pain"]);
    assert!(rows.iter().all(|row| row.entity_id.as_deref() == Some(form.id.to_string().as_str())));
}

#[tokio::test]
async fn publishing_tells_which_open_forms_stay_on_the_versions_before() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let first = create(&admin, "Pain", &definition(&[scale("pain")])).await;
    let open = publish(&admin, &first).await.open_forms;
    assert_eq!((open.total, open.ids), (0, Vec::new()));
    let other = template(&admin, &[scale("sleep")]).await.id;
    opened(&staff, other, patient).await;
    let mut forms = Vec::new();
    for _ in 0..3 {
        forms.push(opened(&staff, first.id, patient).await);
    }
    submitted(&staff, &forms[0]).await;
    voided(&admin, &forms[1]).await;
    let next = redraft(&admin, &first, &definition(&[scale("pain"), scale("fatigue")])).await;
    let publication = admin.form_template_publish().form_template_id(first.id).body(request(&next, &[]));
    // Whatever is not signed can still move; what is void can't.
    let open = granted(publication.send().await, 201).open_forms;
    assert_eq!((open.total, open.ids), (2, vec![forms[0].id, forms[2].id]));
    let open = staff.form_list().form_template_id(first.id).form_template_version(1).status(FormStatus::Draft);
    assert_eq!(granted(open.send().await, 200).data.iter().map(|form| form.id).collect::<Vec<_>>(), [forms[2].id]);
}
