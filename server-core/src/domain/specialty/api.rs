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
    model::{Specialty, SpecialtyInput, SpecialtySort},
};
use crate::{
    domain::Tag,
    identity::{Caller, Permission},
    ids::SpecialtyId,
};

/// `/v1/specialties`
pub(crate) struct Api {
    pub(crate) specialties: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Specialties")]
impl Api {
    /// List specialties
    ///
    /// Those in use, or with `archived=true` those that can no longer be chosen.
    #[oai(path = "/specialties", method = "get", operation_id = "specialty_list")]
    async fn specialty_list(
        &self,
        caller: Caller,
        /// Number of the page, from 1.
        page: Query<Option<PageNumber>>,
        /// Entries a page, at most 100.
        page_size: Query<Option<PageSize>>,
        /// Whether to list the archived ones instead of those in use.
        archived: Query<Option<bool>>,
        /// Order of the list.
        sort: Query<Option<SpecialtySort>>,
    ) -> Result<Json<Page<Specialty>>, ApiError> {
        caller.may(Permission::SpecialtyRead)?;
        let paging = Paging::new(page.0, page_size.0);
        Ok(Json(self.specialties.list(&caller, archived.0.unwrap_or(false), sort.0.unwrap_or_default(), paging).await?))
    }

    /// Create a specialty
    ///
    /// 409 `specialty_name_taken` when another one in use has the name.
    #[oai(path = "/specialties", method = "post", operation_id = "specialty_create")]
    async fn specialty_create(
        &self,
        caller: Caller,
        body: Body<SpecialtyInput>,
    ) -> Result<Created<Specialty>, ApiError> {
        caller.may(Permission::SpecialtyWrite)?;
        Ok(Created(self.specialties.create(&caller, caller.organization()?, &body).await?))
    }

    /// Get a specialty
    ///
    /// Archived ones too: past appointments keep naming them.
    #[oai(path = "/specialties/:specialty_id", method = "get", operation_id = "specialty_get")]
    async fn specialty_get(
        &self,
        caller: Caller,
        /// Id of the specialty.
        specialty_id: Path<SpecialtyId>,
    ) -> Result<Json<Specialty>, ApiError> {
        caller.may(Permission::SpecialtyRead)?;
        Ok(Json(self.specialties.get(&caller, specialty_id.0).await?))
    }

    /// Replace a specialty
    ///
    /// 409 `specialty_name_taken` when another one in use has the name.
    #[oai(path = "/specialties/:specialty_id", method = "put", operation_id = "specialty_update")]
    async fn specialty_update(
        &self,
        caller: Caller,
        /// Id of the specialty.
        specialty_id: Path<SpecialtyId>,
        body: Body<SpecialtyInput>,
    ) -> Result<Json<Specialty>, ApiError> {
        caller.may(Permission::SpecialtyWrite)?;
        Ok(Json(self.specialties.update(&caller, specialty_id.0, &body).await?))
    }

    /// Delete or archive a specialty
    ///
    /// One that a specialist has or an appointment names is archived: it can't be chosen any more,
    /// and what names it keeps doing so. Repeated, it does nothing more.
    #[oai(path = "/specialties/:specialty_id", method = "delete", operation_id = "specialty_delete")]
    async fn specialty_delete(
        &self,
        caller: Caller,
        /// Id of the specialty.
        specialty_id: Path<SpecialtyId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::SpecialtyWrite)?;
        self.specialties.delete(&caller, specialty_id.0).await?;
        Ok(NoContent)
    }
}
