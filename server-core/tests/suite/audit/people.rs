//! Entries of memberships and links, each of which concerns several people.

use restartix_sdk::core::types::{ConnectUser, LinkRecord, MemberRole, UpdateMember};
use test_support::{CoreApp, Role, granted};

use super::Trail;

#[tokio::test]
async fn answers_to_invitations_stand_where_the_invitation_was_made() {
    let app = CoreApp::start().await;
    let trail = &mut Trail::new(&app).await;
    let (admin, home, away) = (app.admin(), app.home().id, app.away());
    let somebody = app.actor(&away.staff);
    let id = somebody.person().user_id;
    // Only a superadmin finds a user by id who has never been a member.
    let platform = app.superadmin().in_organization(home);
    let connect = async |trail: &mut Trail, role| {
        let body = ConnectUser { email: None, user_id: Some(id), role };
        let invited = granted(platform.member_connect().organization_id(home).body(body).send().await, 201).id;
        trail.several("member_connect", home, &[("created", "invitation", invited), ("invited", "user", id)]).await;
        invited
    };
    let invited = connect(trail, MemberRole::Staff).await;
    granted(somebody.me_invitation_decline().invitation_id(invited).send().await, 204);
    trail.one(&somebody, home, "me_invitation_decline", ("declined", "invitation", invited.to_string()), &[]).await;
    let invited = connect(trail, MemberRole::Staff).await;
    granted(admin.invitation_delete().organization_id(home).invitation_id(invited).send().await, 204);
    trail.one(&admin, home, "invitation_delete", ("revoked", "invitation", invited.to_string()), &[]).await;
    let invited = connect(trail, MemberRole::Staff).await;
    granted(somebody.me_invitation_accept().invitation_id(invited).send().await, 200);
    let rows = [("accepted", "invitation", invited), ("created", "membership", id)];
    trail.several("me_invitation_accept", home, &rows).await;
    let body = UpdateMember { role: MemberRole::Specialist };
    granted(admin.member_update().organization_id(home).user_id(id).body(body).send().await, 200);
    trail.one(&admin, home, "member_update", ("updated", "membership", id.to_string()), &["role"]).await;
    granted(admin.member_delete().organization_id(home).user_id(id).send().await, 204);
    trail.one(&admin, home, "member_delete", ("deleted", "membership", id.to_string()), &[]).await;
}

#[tokio::test]
async fn a_link_and_its_end_name_both_people() {
    let app = CoreApp::start().await;
    let trail = &mut Trail::new(&app).await;
    let (admin, home) = (app.admin(), app.home().id);
    let by = admin.person().user_id;
    let patient = app.patient_create(&admin, "Ann", "Linked").await.id;
    let specialist = app.specialist_create(&admin, "Dr. Linked").await.id;
    let (own, treating) = (app.member_add(Role::Patient).await, app.member_add(Role::Specialist).await);
    trail.next().await;
    for (kind, record, person) in [("patient", patient, own), ("specialist", specialist, treating)] {
        let (user, is_patient) = (person.user_id, kind == "patient");
        let body = LinkRecord { email: None, user_id: Some(user) };
        let invited = if is_patient {
            granted(admin.patient_link().patient_id(record).body(body).send().await, 201).id
        } else {
            granted(admin.specialist_link().specialist_id(record).body(body).send().await, 201).id
        };
        let rows = [("created", "invitation", invited), ("link_requested", kind, record), ("invited", "user", user)];
        trail.several(&format!("{kind}_link"), home, &rows).await;
        granted(app.actor(&person).me_invitation_accept().invitation_id(invited).send().await, 200);
        let linked = [
            ("accepted", "invitation", invited),
            ("linked", kind, record),
            ("linked", "user", user),
            ("link_granted", "user", by),
        ];
        trail.several("me_invitation_accept", home, &linked).await;
        if is_patient {
            granted(admin.patient_unlink().patient_id(record).send().await, 204);
        } else {
            granted(admin.specialist_unlink().specialist_id(record).send().await, 204);
        }
        let rows = [("unlinked", kind, record), ("unlinked", "user", user)];
        trail.several(&format!("{kind}_unlink"), home, &rows).await;
    }
}
