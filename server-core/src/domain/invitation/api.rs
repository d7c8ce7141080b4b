use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use server_shared::{
    ApiError,
    http::{
        Body, Created, NoContent, Page, Paging,
        page::{PageNumber, PageSize},
    },
};

use super::{
    Service,
    model::{ConnectUser, Invitation, LinkRecord, Offer},
};
use crate::{
    database::Disclosed,
    domain::{Tag, user::MyMembership},
    identity::{Permission, Person},
    ids::{InvitationId, OrganizationId, PatientId, SpecialistId},
};

/// Invitations of people to an organization, and their answers.
pub(crate) struct Api {
    pub(crate) invitations: Service,
}

#[OpenApi(prefix_path = "/v1")]
impl Api {
    /// Invite somebody to an organization
    ///
    /// By e-mail address, or by id somebody who was a member before. The person is a member once it accepts;
    /// until then nothing about it can be seen or done. The answer is the same whether anybody has an account
    /// with the address: one who has sees the invitation at `me_get`, one who has not is written to by the
    /// identity provider. Good for 14 days; asked for again, it is renewed. 409 `already_member` for a
    /// member, whose role stays as it is; 404 `user_not_found` for an id that the organization does not know.
    #[oai(
        path = "/organizations/:organization_id/connect-user",
        method = "post",
        operation_id = "member_connect",
        tag = "Tag::Members"
    )]
    async fn member_connect(
        &self,
        caller: Person,
        /// Id of the organization; it is the context of the request.
        organization_id: Path<OrganizationId>,
        body: Body<ConnectUser>,
    ) -> Result<Disclosed<Created<Invitation>>, ApiError> {
        caller.may(Permission::MemberWrite)?;
        Ok(self.invitations.connect(&caller, organization_id.0, &body).await?.map(Created))
    }

    /// List the invitations of an organization
    ///
    /// The newest first, with the addresses as they were typed; what has ended for 30 days. The read is
    /// audited, one row an invitation.
    #[oai(
        path = "/organizations/:organization_id/invitations",
        method = "get",
        operation_id = "invitation_list",
        tag = "Tag::Members"
    )]
    async fn invitation_list(
        &self,
        caller: Person,
        /// Id of the organization; it is the context of the request.
        organization_id: Path<OrganizationId>,
        /// Number of the page, from 1.
        page: Query<Option<PageNumber>>,
        /// Entries a page, at most 100.
        page_size: Query<Option<PageSize>>,
    ) -> Result<Disclosed<Json<Page<Invitation>>>, ApiError> {
        caller.may(Permission::MemberRead)?;
        let paging = Paging::new(page.0, page_size.0);
        Ok(self.invitations.list(&caller, organization_id.0, paging).await?.map(Json))
    }

    /// Take back an invitation
    ///
    /// 404 `invitation_not_found` for one that was answered or taken back.
    #[oai(
        path = "/organizations/:organization_id/invitations/:invitation_id",
        method = "delete",
        operation_id = "invitation_delete",
        tag = "Tag::Members"
    )]
    async fn invitation_delete(
        &self,
        caller: Person,
        /// Id of the organization; it is the context of the request.
        organization_id: Path<OrganizationId>,
        /// Id of the invitation.
        invitation_id: Path<InvitationId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::MemberWrite)?;
        self.invitations.revoke(&caller, organization_id.0, invitation_id.0).await?;
        Ok(NoContent)
    }

    /// Accept an invitation
    ///
    /// One of the caller's own, of any organization; see `me_get`. From here on the caller is a member, and
    /// the record of a link its own. 404 `invitation_not_found` for one that has run out, was answered, taken
    /// back, or is somebody else's; 409 `already_member` or `member_role_conflict` for who is a member
    /// already, `record_already_linked` for a record that became somebody else's meanwhile.
    #[oai(
        path = "/me/invitations/:invitation_id/accept",
        method = "post",
        operation_id = "me_invitation_accept",
        tag = "Tag::Identity"
    )]
    async fn me_invitation_accept(
        &self,
        caller: Person,
        /// Id of the invitation.
        invitation_id: Path<InvitationId>,
    ) -> Result<Json<MyMembership>, ApiError> {
        caller.in_person()?;
        Ok(Json(self.invitations.accept(&caller, invitation_id.0).await?))
    }

    /// Decline an invitation
    ///
    /// One of the caller's own, of any organization. The organization may invite again.
    #[oai(
        path = "/me/invitations/:invitation_id/decline",
        method = "post",
        operation_id = "me_invitation_decline",
        tag = "Tag::Identity"
    )]
    async fn me_invitation_decline(
        &self,
        caller: Person,
        /// Id of the invitation.
        invitation_id: Path<InvitationId>,
    ) -> Result<NoContent, ApiError> {
        caller.in_person()?;
        self.invitations.decline(&caller, invitation_id.0).await?;
        Ok(NoContent)
    }

    /// Link a patient to a login
    ///
    /// Invites a person, by e-mail address or the id of a member, to have the record as its own. It is once
    /// the person accepts, who then becomes a member with the role `patient`, if it is none. As for
    /// `member_connect`, the answer does not tell whether anybody has the address. 409
    /// `record_already_linked` for a record that has a login; `patient_user_taken` for a member who has
    /// another record, `member_role_conflict` for one in another role.
    #[oai(path = "/patients/:patient_id/link", method = "post", operation_id = "patient_link", tag = "Tag::Patients")]
    async fn patient_link(
        &self,
        caller: Person,
        /// Id of the patient.
        patient_id: Path<PatientId>,
        body: Body<LinkRecord>,
    ) -> Result<Disclosed<Created<Invitation>>, ApiError> {
        caller.may(Permission::RecordLink)?;
        let offer = Offer::Patient(patient_id.0);
        Ok(self.invitations.link(&caller, caller.organization()?, offer, &body).await?.map(Created))
    }

    /// Unlink a patient from its login
    ///
    /// At once: the person can't see the record any more, and stays a member. 409 `patient_has_no_user` for a
    /// record without a login.
    #[oai(
        path = "/patients/:patient_id/unlink",
        method = "post",
        operation_id = "patient_unlink",
        tag = "Tag::Patients"
    )]
    async fn patient_unlink(
        &self,
        caller: Person,
        /// Id of the patient.
        patient_id: Path<PatientId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::RecordLink)?;
        self.invitations.patients.links.unlink(&caller, patient_id.0).await?;
        Ok(NoContent)
    }

    /// Link a specialist to a login
    ///
    /// As for patients; who is no member becomes one with the role `specialist`.
    #[oai(
        path = "/specialists/:specialist_id/link",
        method = "post",
        operation_id = "specialist_link",
        tag = "Tag::Specialists"
    )]
    async fn specialist_link(
        &self,
        caller: Person,
        /// Id of the specialist.
        specialist_id: Path<SpecialistId>,
        body: Body<LinkRecord>,
    ) -> Result<Disclosed<Created<Invitation>>, ApiError> {
        caller.may(Permission::RecordLink)?;
        let offer = Offer::Specialist(specialist_id.0);
        Ok(self.invitations.link(&caller, caller.organization()?, offer, &body).await?.map(Created))
    }

    /// Unlink a specialist from its login
    ///
    /// At once: the person has no rights of the record's any more, and stays a member. 409
    /// `specialist_has_no_user` for a record without a login.
    #[oai(
        path = "/specialists/:specialist_id/unlink",
        method = "post",
        operation_id = "specialist_unlink",
        tag = "Tag::Specialists"
    )]
    async fn specialist_unlink(
        &self,
        caller: Person,
        /// Id of the specialist.
        specialist_id: Path<SpecialistId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::RecordLink)?;
        self.invitations.specialists.links.unlink(&caller, specialist_id.0).await?;
        Ok(NoContent)
    }
}
