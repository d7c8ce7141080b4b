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

/// Invitations to an organization, and the answers to them.
pub(crate) struct Api {
    pub(crate) invitations: Service,
}

#[OpenApi(prefix_path = "/v1")]
impl Api {
    /// Invite a person to an organization
    ///
    /// Invites an e-mail address, or a former member by user id. The person becomes a member by accepting; until then
    /// the organization has no access to the person's data. The answer is the same whether or not an account has the
    /// address: a person with an account finds the invitation in the answer of `me_get`; a person without one receives
    /// an e-mail from the identity provider. An invitation expires after 14 days; a repeated request renews it. Answers
    /// 409 `already_member` if the person is a member, and does not change the role; 404 `user_not_found` if the id is
    /// not the id of a former member.
    #[oai(
        path = "/organizations/:organization_id/connect-user",
        method = "post",
        operation_id = "member_connect",
        tag = "Tag::Members"
    )]
    async fn member_connect(
        &self,
        caller: Person,
        /// Id of the organization, which is also the organization of the request.
        organization_id: Path<OrganizationId>,
        body: Body<ConnectUser>,
    ) -> Result<Disclosed<Created<Invitation>>, ApiError> {
        caller.may(Permission::MemberWrite)?;
        Ok(self.invitations.connect(&caller, organization_id.0, &body).await?.map(Created))
    }

    /// List the invitations of an organization
    ///
    /// Returns the newest first, with the addresses as they were typed. Ended invitations are listed for 30 days.
    /// Writes an audit entry for each invitation that is returned.
    #[oai(
        path = "/organizations/:organization_id/invitations",
        method = "get",
        operation_id = "invitation_list",
        tag = "Tag::Members"
    )]
    async fn invitation_list(
        &self,
        caller: Person,
        /// Id of the organization, which is also the organization of the request.
        organization_id: Path<OrganizationId>,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
    ) -> Result<Disclosed<Json<Page<Invitation>>>, ApiError> {
        caller.may(Permission::MemberRead)?;
        let paging = Paging::new(page.0, page_size.0);
        Ok(self.invitations.list(&caller, organization_id.0, paging).await?.map(Json))
    }

    /// Revoke an invitation
    ///
    /// Revokes a pending invitation. Answers 404 `invitation_not_found` if it was answered or revoked before.
    #[oai(
        path = "/organizations/:organization_id/invitations/:invitation_id",
        method = "delete",
        operation_id = "invitation_delete",
        tag = "Tag::Members"
    )]
    async fn invitation_delete(
        &self,
        caller: Person,
        /// Id of the organization, which is also the organization of the request.
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
    /// Accepts an invitation of the caller to any organization; see `me_get`. The caller becomes a member, and the
    /// record that the invitation names, if any, is linked to the caller. Answers 404 `invitation_not_found` for an
    /// invitation that has expired, was answered or revoked, or is for another person; 409 `already_member` for a
    /// member who is invited to be one, `member_role_conflict` for a member whose role does not fit the record,
    /// `record_already_linked` for a record that has been linked to another user.
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
    /// Declines an invitation of the caller to any organization. The organization may invite the caller again.
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

    /// Link a patient to a user
    ///
    /// Invites a person, by e-mail address or by the id of a member, to sign in as the patient. When the person
    /// accepts, the record is linked to the person's user, who becomes a member with the role `patient` unless already
    /// a member. As for `member_connect`, the answer is the same whether or not an account has the address. Answers 409
    /// `record_already_linked` if a user is linked to the record, `patient_user_taken` if the member is linked to
    /// another record, `member_role_conflict` if the member has another role.
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

    /// Unlink a patient from its user
    ///
    /// Removes the link immediately: the person loses access to the record and stays a member. Answers 409
    /// `patient_has_no_user` if no user is linked to the record.
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
        self.invitations.patients.unlink(&caller, patient_id.0).await?;
        Ok(NoContent)
    }

    /// Link a specialist to a user
    ///
    /// Does the same as `patient_link`, for the record of a specialist; a new member gets the role `specialist`.
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

    /// Unlink a specialist from its user
    ///
    /// Removes the link immediately: the person loses the rights that come with the record and stays a member. Answers
    /// 409 `specialist_has_no_user` if no user is linked to the record.
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
