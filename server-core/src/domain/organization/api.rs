use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use server_shared::{
    ApiError,
    http::{
        Body, Created, Page, Paging,
        page::{PageNumber, PageSize},
    },
};

use super::{
    Service,
    model::{CreateOrganization, Organization, UpdateOrganization},
};
use crate::{
    domain::Tag,
    identity::{Permission, Person},
    ids::OrganizationId,
};

/// Operations below `/v1/organizations`.
pub(crate) struct Api {
    pub(crate) organizations: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Organizations")]
impl Api {
    /// List the caller's organizations
    ///
    /// Returns the organizations that the caller belongs to, or all organizations for a superadmin, sorted by name in
    /// the order of the Unicode collation.
    #[oai(path = "/organizations", method = "get", operation_id = "organization_list")]
    async fn organization_list(
        &self,
        caller: Person,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
    ) -> Result<Json<Page<Organization>>, ApiError> {
        Ok(Json(self.organizations.list(&caller, Paging::new(page.0, page_size.0)).await?))
    }

    /// Create an organization
    ///
    /// Permitted to superadmins. Answers 409 `slug_taken` if another organization has the slug, and
    /// `clerk_organization_taken` if another one has the same `clerk_organization_id`.
    #[oai(path = "/organizations", method = "post", operation_id = "organization_create")]
    async fn organization_create(
        &self,
        caller: Person,
        body: Body<CreateOrganization>,
    ) -> Result<Created<Organization>, ApiError> {
        caller.may(Permission::OrganizationCreate)?;
        Ok(Created(self.organizations.create(&caller, &body).await?))
    }

    /// Find an organization by its slug
    ///
    /// Searches the organizations that the caller belongs to. Answers 404 `organization_not_found` if none of them has
    /// the slug.
    #[oai(path = "/organizations/slug/:slug", method = "get", operation_id = "organization_find")]
    async fn organization_find(
        &self,
        caller: Person,
        /// Slug of the organization.
        #[oai(validator(max_length = 60, pattern = "^[!-~]*$"))]
        slug: Path<String>,
    ) -> Result<Json<Organization>, ApiError> {
        Ok(Json(self.organizations.find(&caller, &slug.0).await?))
    }

    /// Get an organization
    ///
    /// Returns an organization that the caller belongs to. Answers 404 `organization_not_found` for any other.
    #[oai(path = "/organizations/:organization_id", method = "get", operation_id = "organization_get")]
    async fn organization_get(
        &self,
        caller: Person,
        /// Id of the organization, which is also the organization of the request.
        organization_id: Path<OrganizationId>,
    ) -> Result<Json<Organization>, ApiError> {
        caller.may(Permission::OrganizationRead)?;
        Ok(Json(self.organizations.get(&caller, organization_id.0).await?))
    }

    /// Replace an organization
    ///
    /// Replaces name, time zone and country; the slug does not change.
    #[oai(path = "/organizations/:organization_id", method = "put", operation_id = "organization_update")]
    async fn organization_update(
        &self,
        caller: Person,
        /// Id of the organization, which is also the organization of the request.
        organization_id: Path<OrganizationId>,
        body: Body<UpdateOrganization>,
    ) -> Result<Json<Organization>, ApiError> {
        caller.may(Permission::OrganizationUpdate)?;
        Ok(Json(self.organizations.update(&caller, organization_id.0, &body).await?))
    }
}
