//! Requests for operations by which people join a clinic, or act for others in it.

use restartix_sdk::core::types::{ConnectUser, CreateApiKey, MemberRole, Scope};
use serde_json::json;
use test_support::{Fixture, Role, granted};
use uuid::Uuid;

use super::fixture::{World, impersonating};

impl World {
    pub(super) async fn of_member(&self, operation: &str) -> Option<Fixture> {
        let member = || async { self.home().with("user_id", &self.app.member_add(Role::Staff).await.user_id) };
        Some(match operation {
            "member_list" => self.home(),
            // A user who was a member before.
            "member_connect" => {
                let user = self.app.member_add(Role::Staff).await.user_id;
                let (admin, home) = (self.app.admin(), self.app.home().id);
                granted(admin.member_delete().organization_id(home).user_id(user).send().await, 204);
                self.home().body(json!({ "user_id": user, "role": "staff" }))
            }
            "member_update" => member().await.body(json!({ "role": "specialist" })),
            "member_delete" => member().await,
            _ => return None,
        })
    }

    /// Builds a request about another clinic's invitation of the caller.
    pub(super) async fn of_own_invitation(&self) -> Option<Fixture> {
        let sql = "insert into invitations (organization_id, uid, kind, role, user_id)
                   values ($1, gen_random_uuid(), 'membership', 'staff', $2) returning id";
        let invited: i64 = sqlx::query_scalar(sql)
            .bind(self.elsewhere.get())
            .bind(self.asker.get())
            .fetch_one(&mut self.app.owner().await)
            .await
            .expect("an invitation can be seeded");
        // The invitation is to a clinic that the caller must not be a member of yet, so the next fixtures get another
        // one.
        self.elsewhere.set(self.app.organization_add(&format!("Clinic {}", Uuid::new_v4().simple())).await.id);
        Some(Fixture::default().with("invitation_id", &invited))
    }

    pub(super) async fn of_invitation(&self, operation: &str) -> Option<Fixture> {
        Some(match operation {
            "invitation_list" => self.home(),
            "invitation_delete" => {
                let email = Some(format!("{}@example.org", Uuid::new_v4().simple()));
                let body = ConnectUser { email, user_id: None, role: MemberRole::Staff };
                let admin = self.app.admin();
                let invite = admin.member_connect().organization_id(self.app.home().id).body(body);
                self.home().with("invitation_id", &granted(invite.send().await, 201).id)
            }
            _ => return None,
        })
    }

    pub(super) async fn of_api_key(&self, operation: &str) -> Option<Fixture> {
        Some(match operation {
            "api_key_list" => self.home(),
            "api_key_create" => self.home().body(json!({ "name": "A program", "scopes": ["patients:read"] })),
            "api_key_delete" | "api_key_rotate" => {
                let body =
                    CreateApiKey { expires_at: None, name: "A program".to_owned(), scopes: vec![Scope::PatientsRead] };
                let create =
                    self.app.admin().api_key_create().organization_id(self.app.home().id).body(body).send().await;
                self.home().with("api_key_id", &granted(create, 201).api_key.id)
            }
            _ => return None,
        })
    }

    pub(super) async fn of_impersonation(&self, operation: &str) -> Option<Fixture> {
        if operation != "impersonation_delete" {
            return None;
        }
        let admin = self.app.admin();
        let begun = admin.patient_impersonate().patient_id(self.patient.id).body(impersonating()).send().await;
        Some(Fixture::default().with("impersonation_id", &granted(begun, 201).impersonation.id))
    }
}
