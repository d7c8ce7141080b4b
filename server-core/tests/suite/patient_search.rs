//! Searching patients: names in clear, identifiers by their blind index.

use restartix_sdk::core::types::{CreatePatient, PagePatient};
use test_support::{CoreApp, granted, refused};

use crate::patient::complete;

fn ids(page: &PagePatient) -> Vec<i64> {
    page.data.iter().map(|patient| patient.id).collect()
}

#[tokio::test]
async fn identifiers_are_found_however_they_are_spelt() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let grace = granted(staff.patient_create().body(complete()).send().await, 201).id;
    let other = CreatePatient {
        email: Some("ann@example.com".to_owned()),
        phone: Some("+49 30 7654321".to_owned()),
        national_id: Some("M02Y11U58".to_owned()),
        ..CoreApp::new_patient("Ann", "Lee")
    };
    granted(staff.patient_create().body(other).send().await, 201);
    for email in ["grace.sample@example.com", "GRACE.SAMPLE@EXAMPLE.COM", " Grace.Sample@Example.com "] {
        assert_eq!(ids(&granted(staff.patient_list().email(email).send().await, 200)), [grace], "{email}");
    }
    for phone in ["+49301234567", "+49 (30) 123-45-67", "0049 30 1234567"] {
        assert_eq!(ids(&granted(staff.patient_list().phone(phone).send().await, 200)), [grace], "{phone}");
    }
    for national_id in ["L01X00T47", "l01x00t47", "L01 X00-T47"] {
        assert_eq!(ids(&granted(staff.patient_list().national_id(national_id).send().await, 200)), [grace]);
    }
    let part = granted(staff.patient_list().email("Grace.Sample@Example.co").send().await, 200);
    assert_eq!(part.data, [], "a part of an address finds nothing");
    for none in ["grace", "example.com"] {
        refused(staff.patient_list().email(none).send().await, 400, "invalid_parameter");
    }
    let both = staff.patient_list().email("grace.sample@example.com").phone("+49 30 7654321").send().await;
    assert_eq!(granted(both, 200).data, [], "every condition must hold");
}

#[tokio::test]
async fn identifiers_of_another_clinic_find_nothing() {
    let app = CoreApp::start().await;
    granted(app.other_admin().patient_create().body(complete()).send().await, 201);
    let found = app.admin().patient_list().email("grace.sample@example.com").send().await;
    assert_eq!(granted(found, 200).data, []);
}

#[tokio::test]
async fn names_are_found_by_a_part_of_them() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let ann = app.patient_create(&staff, "Ann-Kathrin", "Löwe").await.id;
    let tom = app.patient_create(&staff, "Tom", "Kathmann").await.id;
    let percent = app.patient_create(&staff, "100%", "Sure_Thing").await.id;
    let found = |text: &'static str| {
        let search = staff.patient_list().search(text);
        async move { ids(&granted(search.send().await, 200)) }
    };
    assert_eq!(found("kath").await, [tom, ann], "by last name");
    assert_eq!(found("LÖWE").await, [ann]);
    assert_eq!(found("Tom Kath").await, [tom]);
    // Wildcards mean themselves.
    assert_eq!(found("%").await, [percent]);
    assert_eq!(found("e_T").await, [percent]);
    assert_eq!(found("A_n").await, [] as [i64; 0]);
}

#[tokio::test]
async fn lists_are_paged_and_sorted() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let mut made = Vec::new();
    for last_name in ["Moe", "lee", "Nye"] {
        made.push(app.patient_create(&staff, "Ann", last_name).await.id);
    }
    let [moe, lee, nye] = made[..] else { panic!("three were made") };
    assert_eq!(ids(&granted(staff.patient_list().send().await, 200)), [lee, moe, nye]);
    assert_eq!(ids(&granted(staff.patient_list().sort("-created_at").send().await, 200)), [nye, lee, moe]);
    let second = granted(staff.patient_list().page(2).page_size(2).send().await, 200);
    assert_eq!((ids(&second), second.meta.total, second.meta.total_pages), (vec![nye], 3, 2));
}
