//! Operations on exclusions from tracking.

use std::sync::Arc;

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
    ExclusionService,
    model::{Exclusion, NewExclusion},
};
use crate::{identity::Person, ingest::Tag};

/// Operations under `/v1/privacy/exclusions`.
pub(crate) struct ExclusionApi {
    pub exclusions: Arc<ExclusionService>,
}

#[OpenApi(prefix_path = "/v1/privacy", tag = "Tag::Privacy")]
impl ExclusionApi {
    /// List exclusions
    ///
    /// Returns every excluded person of the token's organization to administrators, and to other people only
    /// themselves.
    #[oai(path = "/exclusions", method = "get", operation_id = "exclusion_list")]
    async fn exclusion_list(
        &self,
        person: Person,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
    ) -> Result<Json<Page<Exclusion>>, ApiError> {
        let paging = Paging::new(page.0, page_size.0);
        Ok(Json(self.exclusions.list(&person.member()?, &paging).await?))
    }

    /// Exclude a person from tracking
    ///
    /// Excludes the caller; administrators can also exclude others. From the answer on, no tracking data about the
    /// person is stored, whatever the person consented to. A repeated request has no further effect. Answers 409
    /// `erasure_in_progress` while the person's data is being erased; nothing is stored about the person during that
    /// time either.
    #[oai(path = "/exclusions", method = "post", operation_id = "exclusion_create")]
    async fn exclusion_create(&self, person: Person, body: Body<NewExclusion>) -> Result<Created<Exclusion>, ApiError> {
        let subject_id = own_or_administered(&person, body.subject_id)?;
        Ok(Created(self.exclusions.create(&person.member()?, subject_id).await?))
    }

    /// Lift an exclusion
    ///
    /// Lifts an exclusion: people can lift those that they requested themselves, administrators those that
    /// administrators requested.
    #[oai(path = "/exclusions/:subject_id", method = "delete", operation_id = "exclusion_delete")]
    async fn exclusion_delete(
        &self,
        person: Person,
        /// Id of the user in Core.
        #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
        subject_id: Path<i64>,
    ) -> Result<NoContent, ApiError> {
        let subject_id = own_or_administered(&person, Some(subject_id.0))?;
        self.exclusions.delete(&person.member()?, subject_id).await?;
        Ok(NoContent)
    }
}

/// Returns the person to exclude: the caller or, for an administrator, anybody.
fn own_or_administered(person: &Person, subject_id: Option<i64>) -> Result<i64, ApiError> {
    let subject_id = subject_id.unwrap_or(person.user_id);
    if subject_id != person.user_id {
        person.must_administrate()?;
    }
    Ok(subject_id)
}
