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

/// Operations below `/v1/specialties`.
pub(crate) struct Api {
    pub(crate) specialties: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Specialties")]
impl Api {
    /// List specialties
    ///
    /// Returns the specialties in use, or with `archived=true` the archived ones, which can no longer be chosen, sorted
    /// by name in the order of the Unicode collation.
    #[oai(path = "/specialties", method = "get", operation_id = "specialty_list")]
    async fn specialty_list(
        &self,
        caller: Caller,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
        /// `true` to list archived specialties instead of those in use.
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
    /// Answers 409 `specialty_name_taken` if another specialty in use has the same name; letter case and accents make
    /// no difference.
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
    /// Returns archived specialties, too: past appointments keep referring to them.
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
    /// Answers 409 `specialty_name_taken` if another specialty in use has the same name; letter case and accents make
    /// no difference.
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
    /// Archives a specialty that a specialist or an appointment refers to: it can no longer be chosen, and the references
    /// stay. Deletes any other. Archiving again changes nothing.
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
