//! `/v1/appointment-templates`: what can be booked.

use restartix_sdk::core::types::{
    AppointmentTemplateInput, CreateAppointmentSeries, Modality, PageAppointmentTemplate, SpecialtyInput,
};
use sqlx::AssertSqlSafe;
use test_support::{CoreApp, granted, in_days, refused};

use crate::form_template::{created, published};

fn input(name: &str) -> AppointmentTemplateInput {
    CoreApp::new_appointment_template(name)
}

#[tokio::test]
async fn admins_write_and_everybody_reads() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let body = AppointmentTemplateInput {
        buffer_after_minutes: Some(10),
        cancellation_cutoff_minutes: Some(1440),
        description: Some("Talk and tests.".to_owned()),
        minimum_notice_minutes: Some(120),
        modality: Modality::Video,
        ..input("First Examination (Größe)")
    };
    let created = app.appointment_template_create(&admin, body).await;
    assert_eq!((created.slug.as_str(), created.duration_minutes), ("first-examination-grosse", 45));
    assert_eq!((created.buffer_before_minutes, created.buffer_after_minutes), (None, Some(10)));
    assert_eq!((created.minimum_notice_minutes, created.modality), (Some(120), Modality::Video));
    assert_eq!((created.cancellation_cutoff_minutes, created.reschedule_cutoff_minutes), (1440, 1440));
    for actor in [app.admin(), app.specialist(), app.staff(), app.patient()] {
        let get = actor.appointment_template_get().appointment_template_id(created.id);
        assert_eq!(granted(get.send().await, 200), created);
        let find = actor.appointment_template_find().slug(&created.slug);
        assert_eq!(granted(find.send().await, 200), created);
        let listed = granted(actor.appointment_template_list().send().await, 200).data;
        assert_eq!(listed, std::slice::from_ref(&created));
    }
    for actor in [app.specialist(), app.staff(), app.patient()] {
        refused(actor.appointment_template_create().body(input("Other")).send().await, 403, "permission_denied");
        let update = actor.appointment_template_update().appointment_template_id(created.id).body(input("Other"));
        refused(update.send().await, 403, "permission_denied");
        let delete = actor.appointment_template_delete().appointment_template_id(created.id);
        refused(delete.send().await, 403, "permission_denied");
    }
    let update = admin.appointment_template_update().appointment_template_id(created.id).body(input("Renamed"));
    let updated = granted(update.send().await, 200);
    assert_eq!(
        (updated.name.as_str(), updated.description.as_str(), updated.buffer_after_minutes),
        ("Renamed", "", None)
    );
    assert_eq!(updated.slug, created.slug, "links stay when nothing is said of the slug");
    let body = AppointmentTemplateInput { slug: Some("renamed".to_owned()), ..input("Renamed") };
    let update = admin.appointment_template_update().appointment_template_id(created.id).body(body);
    assert_eq!(granted(update.send().await, 200).slug, "renamed");
    refused(admin.appointment_template_find().slug(&created.slug).send().await, 404, "appointment_template_not_found");
}

#[tokio::test]
async fn another_clinics_are_not_there() {
    let app = CoreApp::start().await;
    let (admin, other) = (app.admin(), app.other_admin());
    let theirs = app.appointment_template_create(&other, input("Secret art")).await;
    let get = admin.appointment_template_get().appointment_template_id(theirs.id);
    refused(get.send().await, 404, "appointment_template_not_found");
    refused(admin.appointment_template_find().slug(&theirs.slug).send().await, 404, "appointment_template_not_found");
    let update = admin.appointment_template_update().appointment_template_id(theirs.id).body(input("Mine"));
    refused(update.send().await, 404, "appointment_template_not_found");
    let delete = admin.appointment_template_delete().appointment_template_id(theirs.id);
    refused(delete.send().await, 404, "appointment_template_not_found");
    assert_eq!(granted(admin.appointment_template_list().send().await, 200).data, []);
    // Nor is their slug taken, or their specialty to be referred to.
    assert_eq!(app.appointment_template_create(&admin, input("Secret art")).await.slug, theirs.slug);
    let body = SpecialtyInput { name: "Theirs".to_owned(), description: None };
    let foreign = granted(other.specialty_create().body(body).send().await, 201).id;
    let body = AppointmentTemplateInput { specialty_id: Some(foreign), ..input("Reach") };
    let refusal = refused(admin.appointment_template_create().body(body).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/specialty_id", "unknown_reference")]);
}

#[tokio::test]
async fn a_slug_is_unique_among_those_in_use() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    app.appointment_template_create(&admin, input("Hand therapy")).await;
    let other = app.appointment_template_create(&admin, input("Speech")).await;
    refused(admin.appointment_template_create().body(input("Hand Therapy!")).send().await, 409, "slug_taken");
    let body = AppointmentTemplateInput { slug: Some("hand-therapy".to_owned()), ..input("Speech") };
    let update = admin.appointment_template_update().appointment_template_id(other.id).body(body);
    refused(update.send().await, 409, "slug_taken");
    assert_eq!(app.appointment_template_create(&admin, input("!")).await.slug, "appointment");
}

#[tokio::test]
async fn its_forms_are_in_use_each_once_and_in_their_order() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let (first, second) = (published(&admin).await.id, created(&admin).await.id);
    let asking = |forms: &[i64]| AppointmentTemplateInput { form_template_ids: forms.to_vec(), ..input("First visit") };
    let template = app.appointment_template_create(&admin, asking(&[second, first])).await;
    assert_eq!(template.form_template_ids, [second, first], "one may be published later");
    let update = |forms: &[i64]| {
        admin.appointment_template_update().appointment_template_id(template.id).body(asking(forms)).send()
    };
    let said = async || {
        let get = app.patient().appointment_template_get().appointment_template_id(template.id).send().await;
        granted(get, 200).form_template_ids
    };
    assert_eq!(granted(update(&[first, second]).await, 200).form_template_ids, [first, second]);
    assert_eq!(said().await, [first, second]);
    let refusal = refused(update(&[first, first]).await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/form_template_ids", "unique_items")]);

    // One that is listed is archived, although it has no version, and may stay where it is.
    granted(admin.form_template_delete().form_template_id(second).send().await, 204);
    assert_eq!(granted(update(&[second, first]).await, 200).form_template_ids, [second, first]);
    assert_eq!(granted(update(&[first]).await, 200).form_template_ids, [first]);
    // But it is not chosen anew, nor is one of another clinic.
    let theirs = created(&app.other_admin()).await.id;
    let refusal = refused(update(&[second, first, theirs]).await, 422, "validation_failed");
    let unknown = "unknown_reference";
    assert_eq!(refusal.fields(), [("/form_template_ids/0", unknown), ("/form_template_ids/2", unknown)]);
    let body = AppointmentTemplateInput { specialty_id: Some(1_000_000), ..asking(&[theirs]) };
    let refusal = refused(admin.appointment_template_create().body(body).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/form_template_ids/0", unknown), ("/specialty_id", unknown)]);
    assert_eq!(said().await, [first]);
    assert_eq!(granted(update(&[]).await, 200).form_template_ids, [0; 0]);
    // Without appointments it is deleted, with the list of its forms.
    let delete = admin.appointment_template_delete().appointment_template_id(template.id).send().await;
    granted(delete, 204);
}

#[tokio::test]
async fn its_specialty_is_one_in_use() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let body = SpecialtyInput { name: "Knees".to_owned(), description: None };
    let knees = granted(admin.specialty_create().body(body).send().await, 201).id;
    let body = AppointmentTemplateInput { specialty_id: Some(knees), ..input("Knee") };
    let template = app.appointment_template_create(&admin, body.clone()).await;
    assert_eq!(template.specialty_id, Some(knees));
    let other = app.appointment_template_create(&admin, input("Hip")).await;
    // The template refers to it, so it is archived: it can stay, but not be chosen anew.
    granted(admin.specialty_delete().specialty_id(knees).send().await, 204);
    let update = admin.appointment_template_update().appointment_template_id(template.id).body(body.clone());
    assert_eq!(granted(update.send().await, 200).specialty_id, Some(knees));
    let update = admin.appointment_template_update().appointment_template_id(other.id).body(body);
    let refusal = refused(update.send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/specialty_id", "unknown_reference")]);
}

#[tokio::test]
async fn one_that_an_appointment_names_is_archived_and_another_is_deleted() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let unused = app.appointment_template_create(&admin, input("Unused")).await;
    let delete = || admin.appointment_template_delete().appointment_template_id(unused.id).send();
    granted(delete().await, 204);
    refused(delete().await, 404, "appointment_template_not_found");

    let used = app.appointment_template_create(&admin, input("Used")).await;
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let booked = app.appointment_create(&admin, app.home().specialist_id, patient, in_days(2, 9)).await.id;
    let sql = format!("update appointments set appointment_template_id = {} where id = {booked}", used.id);
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut app.owner().await).await.unwrap();
    let delete = || admin.appointment_template_delete().appointment_template_id(used.id).send();
    granted(delete().await, 204);
    let get = || admin.appointment_template_get().appointment_template_id(used.id).send();
    let archived = granted(get().await, 200);
    assert!(archived.archived_at.is_some());
    assert_eq!(granted(admin.appointment_template_list().send().await, 200).data, []);
    let listed = granted(admin.appointment_template_list().archived(true).send().await, 200).data;
    assert_eq!(listed, std::slice::from_ref(&archived));
    refused(admin.appointment_template_find().slug("used").send().await, 404, "appointment_template_not_found");
    // Repeated, it does nothing more; and its slug is free.
    granted(delete().await, 204);
    assert_eq!(granted(get().await, 200).archived_at, archived.archived_at);
    app.appointment_template_create(&admin, input("Used")).await;
}

#[tokio::test]
async fn one_that_only_a_series_names_is_archived_too() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let template = app.appointment_template_create(&admin, input("Again")).await.id;
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let specialist = crate::series::specialist(&app, "Etc/UTC").await;
    let body = CreateAppointmentSeries {
        template_id: Some(template),
        ..CoreApp::new_series(specialist, patient, in_days(3, 9), CoreApp::daily(2))
    };
    let series = crate::series::booked(&admin, body).await.id;
    let sql = format!("update appointments set appointment_template_id = null where appointment_series_id = {series}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut app.owner().await).await.unwrap();
    granted(admin.appointment_template_delete().appointment_template_id(template).send().await, 204);
    let archived = granted(admin.appointment_template_get().appointment_template_id(template).send().await, 200);
    assert!(archived.archived_at.is_some());
}

#[tokio::test]
async fn lists_are_paged_and_sorted_by_name() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    for name in ["beta", "Alpha", "gamma"] {
        app.appointment_template_create(&admin, input(name)).await;
    }
    let names = |page: PageAppointmentTemplate| -> Vec<String> {
        page.data.into_iter().map(|template| template.name).collect()
    };
    let patient = app.patient();
    let list = || patient.appointment_template_list();
    assert_eq!(names(granted(list().send().await, 200)), ["Alpha", "beta", "gamma"]);
    assert_eq!(names(granted(list().sort("-name").send().await, 200)), ["gamma", "beta", "Alpha"]);
    let second = granted(list().page(2).page_size(2).send().await, 200);
    assert_eq!((second.meta.total, second.meta.total_pages), (3, 2));
    assert_eq!(names(second), ["gamma"]);
}
