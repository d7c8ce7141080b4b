//! `/v1/privacy/exclusions`.

use std::time::Duration;

use restartix_sdk::telemetry::types::{Exclusion, ExclusionSource, NewExclusion};
use test_support::{TelemetryApp, TelemetryPerson, eventually, granted, refused};

use crate::support::{batch, consenting, dropped, event, patient, sibling};

fn of(subject_id: impl Into<Option<i64>>) -> NewExclusion {
    NewExclusion { subject_id: subject_id.into() }
}

fn seen(exclusions: &[Exclusion]) -> Vec<(i64, ExclusionSource)> {
    exclusions.iter().map(|exclusion| (exclusion.subject_id, exclusion.source)).collect()
}

#[tokio::test]
async fn who_is_excluded_is_dropped_at_every_instance() {
    let app = TelemetryApp::start().await;
    let other = sibling(&app).await;
    let (here, there) = (consenting(&app, 1, 7).await, other.person(&patient(1, 7)));
    let track = || async { granted(there.analytics_track().body(batch(vec![event("seen")])).send().await, 202) };
    assert_eq!(track().await.stored, 1, "and the consent is remembered there");
    let first = granted(here.exclusion_create().body(of(None)).send().await, 201);
    assert_eq!((first.subject_id, first.source), (7, ExclusionSource::Person));
    // Far below the 30 seconds that an entry may live, so it must have come through Redis.
    eventually("the exclusion is heard of", Duration::from_secs(20), || async {
        dropped(&track().await) == [("excluded", 1)]
    })
    .await;
    let again = granted(here.exclusion_create().body(of(7)).send().await, 201);
    assert_eq!(again, first, "asking again changes nothing");
    granted(here.exclusion_delete().subject_id(7).send().await, 204);
    assert_eq!(track().await.stored, 1, "nobody remembers that it was excluded");
    refused(here.exclusion_delete().subject_id(7).send().await, 404, "exclusion_not_found");
}

#[tokio::test]
async fn each_side_lifts_what_it_asked_for() {
    let app = TelemetryApp::start().await;
    let (admin, person) = (app.admin(1), consenting(&app, 1, 7).await);
    granted(person.exclusion_create().body(of(None)).send().await, 201);
    refused(admin.exclusion_delete().subject_id(7).send().await, 404, "exclusion_not_found");
    granted(admin.exclusion_create().body(of(7)).send().await, 201);
    granted(person.exclusion_delete().subject_id(7).send().await, 204);
    refused(person.exclusion_delete().subject_id(7).send().await, 404, "exclusion_not_found");
    let receipt = granted(person.analytics_track().body(batch(vec![event("seen")])).send().await, 202);
    assert_eq!(dropped(&receipt), [("excluded", 1)], "the clinic still wants it excluded");
    granted(admin.exclusion_delete().subject_id(7).send().await, 204);
}

#[tokio::test]
async fn others_are_for_administrators() {
    let app = TelemetryApp::start().await;
    for role in ["specialist", "staff", "patient"] {
        let person = app.person(&TelemetryPerson { role, ..patient(1, 7) });
        refused(person.exclusion_create().body(of(8)).send().await, 403, "permission_denied");
        refused(person.exclusion_delete().subject_id(8).send().await, 403, "permission_denied");
    }
    let admin = app.admin(1);
    for subject in [8, 9] {
        granted(admin.exclusion_create().body(of(subject)).send().await, 201);
    }
    granted(app.person(&patient(1, 8)).exclusion_create().body(of(None)).send().await, 201);
    let (asked, wanted) = (ExclusionSource::Person, ExclusionSource::Admin);
    let all = granted(admin.exclusion_list().send().await, 200);
    assert_eq!(seen(&all.data), [(8, wanted), (8, asked), (9, wanted)]);
    assert_eq!(all.meta.total, 3);
    let page = granted(admin.exclusion_list().page(2).page_size(2).send().await, 200);
    assert_eq!((seen(&page.data), page.meta.total), (vec![(9, wanted)], 3));
    let own = granted(app.person(&patient(1, 8)).exclusion_list().send().await, 200);
    assert_eq!(seen(&own.data), [(8, wanted), (8, asked)], "people see themselves alone");
    assert_eq!(granted(app.admin(2).exclusion_list().send().await, 200).meta.total, 0, "and clinics their own");
    refused(app.superadmin().exclusion_list().send().await, 403, "organization_required");
}
