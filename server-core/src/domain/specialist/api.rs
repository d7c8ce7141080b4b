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
    model::{Specialist, SpecialistFilter, SpecialistInput, SpecialistSort},
};
use crate::{
    domain::Tag,
    identity::{Caller, Permission},
    ids::{SpecialistId, SpecialtyId},
};

/// Operations below `/v1/specialists`.
pub(crate) struct Api {
    pub(crate) specialists: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Specialists")]
impl Api {
    /// List specialists
    ///
    /// Returns the specialists of the organization without deleted ones, sorted by name in the order of the Unicode
    /// collation.
    #[oai(path = "/specialists", method = "get", operation_id = "specialist_list")]
    async fn specialist_list(
        &self,
        caller: Caller,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
        /// Selects specialists who practise the specialty with this id.
        specialty_id: Query<Option<SpecialtyId>>,
        /// `true` to list only specialists who can be booked, `false` to list only those who cannot.
        bookable: Query<Option<bool>>,
        /// Order of the list.
        sort: Query<Option<SpecialistSort>>,
    ) -> Result<Json<Page<Specialist>>, ApiError> {
        caller.may(Permission::SpecialistRead)?;
        let paging = Paging::new(page.0, page_size.0);
        let filter = SpecialistFilter { specialty_id: specialty_id.0, bookable: bookable.0 };
        Ok(Json(self.specialists.list(&caller, filter, sort.0.unwrap_or_default(), paging).await?))
    }

    /// Create a specialist
    ///
    /// Creates a record without a linked user; see `specialist_link`.
    #[oai(path = "/specialists", method = "post", operation_id = "specialist_create")]
    async fn specialist_create(
        &self,
        caller: Caller,
        body: Body<SpecialistInput>,
    ) -> Result<Created<Specialist>, ApiError> {
        caller.may(Permission::SpecialistWrite)?;
        Ok(Created(self.specialists.create(&caller, caller.organization()?, &body).await?))
    }

    /// Get a specialist
    ///
    /// Returns a specialist. Answers 404 `specialist_not_found` for a deleted one.
    #[oai(path = "/specialists/:specialist_id", method = "get", operation_id = "specialist_get")]
    async fn specialist_get(
        &self,
        caller: Caller,
        /// Id of the specialist.
        specialist_id: Path<SpecialistId>,
    ) -> Result<Json<Specialist>, ApiError> {
        caller.may(Permission::SpecialistRead)?;
        Ok(Json(self.specialists.get(&caller, specialist_id.0).await?))
    }

    /// Replace a specialist
    ///
    /// Specialists may replace their own record. The link to a user stays; see `specialist_link`.
    #[oai(path = "/specialists/:specialist_id", method = "put", operation_id = "specialist_update")]
    async fn specialist_update(
        &self,
        caller: Caller,
        /// Id of the specialist.
        specialist_id: Path<SpecialistId>,
        body: Body<SpecialistInput>,
    ) -> Result<Json<Specialist>, ApiError> {
        caller.may(Permission::SpecialistUpdate)?;
        Ok(Json(self.specialists.update(&caller, caller.organization()?, specialist_id.0, &body).await?))
    }

    /// Delete a specialist
    ///
    /// Ends booking with the specialist; past appointments keep referring to the record.
    #[oai(path = "/specialists/:specialist_id", method = "delete", operation_id = "specialist_delete")]
    async fn specialist_delete(
        &self,
        caller: Caller,
        /// Id of the specialist.
        specialist_id: Path<SpecialistId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::SpecialistWrite)?;
        self.specialists.delete(&caller, specialist_id.0).await?;
        Ok(NoContent)
    }
}
