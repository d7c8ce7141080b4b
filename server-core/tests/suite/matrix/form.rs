//! Requests for operations on form templates that take more than the examples in the specification.

use serde_json::json;
use test_support::Fixture;

use super::fixture::World;
use crate::form_template::{created, published};

impl World {
    /// Builds requests about the publication, the versions and the preview of a form template; `None` for the ordinary
    /// operations.
    pub(super) async fn of_form_template(&self, operation: &str) -> Option<Fixture> {
        let admin = self.app.admin();
        let by_id = |id: i64| Fixture::default().with("form_template_id", &id);
        Some(match operation {
            "form_template_publish" => {
                let template = created(&admin).await;
                by_id(template.id).body(json!({ "version": template.version }))
            }
            "form_template_version_list" => by_id(published(&admin).await.id),
            "form_template_version_get" => by_id(published(&admin).await.id).with("version", &1),
            "form_template_preview" => by_id(created(&admin).await.id).body(json!({ "values": {} })),
            _ => return None,
        })
    }
}
