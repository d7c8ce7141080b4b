use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use server_shared::{
    ApiError,
    http::{
        Body, NoContent, Page, Paging,
        page::{PageNumber, PageSize},
    },
};

use super::{
    Service,
    model::{Member, UpdateMember},
};
use crate::{
    database::Disclosed,
    domain::Tag,
    identity::{Permission, Person},
    ids::{OrganizationId, UserId},
};

/// `/v1/organizations/{organization_id}/members`
pub(crate) struct Api {
    pub(crate) members: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Members")]
impl Api {
    /// List the members of an organization
    ///
    /// Returns the members with their e-mail addresses, sorted by name. Writes an audit entry for each member that is
    /// returned.
    #[oai(path = "/organizations/:organization_id/members", method = "get", operation_id = "member_list")]
    async fn member_list(
        &self,
        caller: Person,
        /// Id of the organization, which is also the organization of the request.
        #[oai(name = "organization_id")]
        _organization_id: Path<OrganizationId>,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
    ) -> Result<Disclosed<Json<Page<Member>>>, ApiError> {
        caller.may(Permission::MemberRead)?;
        Ok(self.members.list(&caller, Paging::new(page.0, page_size.0)).await?.map(Json))
    }

    /// Change the role of a member
    ///
    /// Takes effect with the member's next request. A new role ends the member's calendar feed, holds and
    /// impersonations (of and by the member), and the link to a specialist or patient record that does not fit the
    /// role. Answers 409 `last_admin` if the organization would be left without an administrator.
    #[oai(path = "/organizations/:organization_id/members/:user_id", method = "put", operation_id = "member_update")]
    async fn member_update(
        &self,
        caller: Person,
        /// Id of the organization, which is also the organization of the request.
        organization_id: Path<OrganizationId>,
        /// Id of the user.
        user_id: Path<UserId>,
        body: Body<UpdateMember>,
    ) -> Result<Disclosed<Json<Member>>, ApiError> {
        caller.may(Permission::MemberWrite)?;
        Ok(self.members.update(&caller, organization_id.0, user_id.0, body.role).await?.map(Json))
    }

    /// Remove a member from an organization
    ///
    /// Keeps the specialist and patient records of the member, unlinked from the user, and the API keys that the member
    /// created. Ends the member's calendar feed, holds and impersonations (of and by the member). Answers 409
    /// `last_admin` if the organization would be left without an administrator.
    #[oai(path = "/organizations/:organization_id/members/:user_id", method = "delete", operation_id = "member_delete")]
    async fn member_delete(
        &self,
        caller: Person,
        /// Id of the organization, which is also the organization of the request.
        organization_id: Path<OrganizationId>,
        /// Id of the user.
        user_id: Path<UserId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::MemberWrite)?;
        self.members.delete(&caller, organization_id.0, user_id.0).await?;
        Ok(NoContent)
    }
}
