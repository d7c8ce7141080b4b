//! `/v1/organizations`: clinics, seen by their members only.

use reqwest::Method;
use restartix_sdk::core::types::{CreateOrganization, UpdateOrganization};
use test_support::{Answer, CoreApp, granted, refused};

fn new(name: &str, slug: Option<&str>) -> CreateOrganization {
    CreateOrganization {
        name: name.to_owned(),
        slug: slug.map(str::to_owned),
        timezone: "Europe/Berlin".to_owned(),
        clerk_organization_id: None,
        country: None,
    }
}

#[tokio::test]
async fn members_see_their_own_and_a_superadmin_sees_all() {
    let app = CoreApp::start().await;
    let page = granted(app.patient().organization_list().send().await, 200);
    assert_eq!(page.data.iter().map(|o| o.id).collect::<Vec<_>>(), [app.home().id]);
    assert_eq!((page.meta.page, page.meta.page_size, page.meta.total, page.meta.total_pages), (1, 25, 1, 1));

    let all = granted(app.superadmin().organization_list().send().await, 200);
    // By name: Hillside before Riverside.
    assert_eq!(all.data.iter().map(|o| o.id).collect::<Vec<_>>(), [app.away().id, app.home().id]);
    let second = granted(app.superadmin().organization_list().page_size(1).page(2).send().await, 200);
    assert_eq!(second.data.iter().map(|o| o.id).collect::<Vec<_>>(), [app.home().id]);
    assert_eq!((second.meta.total, second.meta.total_pages), (2, 2));
    let beyond = granted(app.superadmin().organization_list().page(9).send().await, 200);
    assert_eq!((beyond.data.len(), beyond.meta.total), (0, 2));
}

#[tokio::test]
async fn only_a_superadmin_creates_one() {
    let app = CoreApp::start().await;
    let refusal =
        refused(app.admin().organization_create().body(new("Lake", None)).send().await, 403, "permission_denied");
    assert_eq!(refusal.details["permission"], "organization_create");

    let superadmin = app.superadmin();
    let created = granted(superadmin.organization_create().body(new("Übung & Kraft", None)).send().await, 201);
    assert_eq!((created.slug.as_str(), created.name.as_str()), ("ubung-kraft", "Übung & Kraft"));
    refused(superadmin.organization_create().body(new("Übung, Kraft", None)).send().await, 409, "slug_taken");
    let created = granted(superadmin.organization_create().body(new("Same", Some("same-2"))).send().await, 201);
    assert_eq!(created.slug, "same-2");
    refused(superadmin.organization_create().body(new("Other", Some("same-2"))).send().await, 409, "slug_taken");
}

#[tokio::test]
async fn values_are_checked() {
    let app = CoreApp::start().await;
    let superadmin = app.superadmin();
    let mars = CreateOrganization { timezone: "Mars/Olympus".to_owned(), ..new("Far", None) };
    let refusal = refused(superadmin.organization_create().body(mars).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/timezone", "timezone")]);
    let refusal =
        refused(superadmin.organization_create().body(new("   ", Some("A B"))).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/name", "pattern"), ("/slug", "pattern")]);
}

#[tokio::test]
async fn one_is_found_by_slug_among_ones_own() {
    let app = CoreApp::start().await;
    let found = granted(app.staff().organization_find().slug(&app.home().slug).send().await, 200);
    assert_eq!(found.id, app.home().id);
    refused(app.staff().organization_find().slug(&app.away().slug).send().await, 404, "organization_not_found");
    refused(app.staff().organization_find().slug("nowhere").send().await, 404, "organization_not_found");
    let found = granted(app.superadmin().organization_find().slug(&app.away().slug).send().await, 200);
    assert_eq!(found.id, app.away().id);
}

#[tokio::test]
async fn another_clinic_is_not_found() {
    let app = CoreApp::start().await;
    assert_eq!(
        granted(app.patient().organization_get().organization_id(app.home().id).send().await, 200).slug,
        app.home().slug
    );
    refused(app.admin().organization_get().organization_id(app.away().id).send().await, 404, "organization_not_found");
    let body = UpdateOrganization { name: "Mine now".to_owned(), timezone: "Europe/Berlin".to_owned(), country: None };
    refused(
        app.admin().organization_update().organization_id(app.away().id).body(body).send().await,
        404,
        "organization_not_found",
    );
    assert_eq!(app.count("select count(*) from organizations where name = 'Mine now'").await, 0);
}

#[tokio::test]
async fn an_admin_replaces_its_own_but_for_the_slug() {
    let app = CoreApp::start().await;
    let id = app.home().id;
    let body =
        UpdateOrganization { name: "Renamed".to_owned(), timezone: "Australia/Lord_Howe".to_owned(), country: None };
    refused(
        app.staff().organization_update().organization_id(id).body(body.clone()).send().await,
        403,
        "permission_denied",
    );
    let updated = granted(app.admin().organization_update().organization_id(id).body(body).send().await, 200);
    assert_eq!((updated.name.as_str(), updated.timezone.as_str()), ("Renamed", "Australia/Lord_Howe"));
    assert_eq!(updated.slug, app.home().slug);
    assert_eq!(granted(app.staff().organization_get().organization_id(id).send().await, 200), updated);
    let body = UpdateOrganization { name: "Renamed".to_owned(), timezone: "Berlin".to_owned(), country: None };
    let refusal = refused(
        app.admin().organization_update().organization_id(id).body(body).send().await,
        422,
        "validation_failed",
    );
    assert_eq!(refusal.fields(), [("/timezone", "timezone")]);
}

#[tokio::test]
async fn the_path_is_the_context_and_a_header_may_not_disagree() {
    let app = CoreApp::start().await;
    let path = format!("/v1/organizations/{}", app.home().id);
    let request = |header: String| app.admin().request(Method::GET, &path).header("x-organization-id", header);
    Answer::to(request(app.away().id.to_string())).await.refusal(400, "organization_mismatch");
    let agreed = Answer::to(request(app.home().id.to_string())).await.json(200);
    assert_eq!(agreed["id"], app.home().id);
    Answer::to(request("home".to_owned())).await.refusal(400, "invalid_parameter");
}
