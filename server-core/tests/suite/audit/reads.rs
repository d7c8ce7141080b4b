//! Each disclosed record has an audit row.

use test_support::{CoreApp, granted};

use super::{Row, Trail};

#[tokio::test]
async fn each_record_that_is_disclosed_is_named() {
    let app = CoreApp::start().await;
    let (staff, mut trail) = (app.staff(), Trail::new(&app).await);
    let mut ids = Vec::new();
    for last_name in ["A", "B", "C"] {
        ids.push(app.patient_create(&staff, "Ann", last_name).await.id.to_string());
    }
    trail.next().await;
    let reads = |rows: Vec<Row>, operation: &str| -> Vec<Option<String>> {
        for row in &rows {
            assert_eq!((row.action.as_str(), row.entity_type.as_str()), ("read", "patient"));
            assert_eq!((row.operation_id.as_str(), row.outcome.as_str()), (operation, "succeeded"));
            assert_eq!(row.actor_user_id, Some(staff.person().user_id));
        }
        rows.into_iter().map(|row| row.entity_id).collect()
    };
    granted(staff.patient_list().send().await, 200);
    assert_eq!(reads(trail.next().await, "patient_list"), ids.iter().cloned().map(Some).collect::<Vec<_>>());
    granted(staff.patient_list().page_size(1).page(2).send().await, 200);
    assert_eq!(reads(trail.next().await, "patient_list"), [Some(ids[1].clone())], "only what came out");
    granted(staff.patient_list().search("nobody").send().await, 200);
    assert_eq!(reads(trail.next().await, "patient_list"), [None], "a search that finds nothing is one too");
    granted(staff.patient_get().patient_id(ids[2].parse::<i64>().unwrap()).send().await, 200);
    assert_eq!(reads(trail.next().await, "patient_get"), [Some(ids[2].clone())]);
}
