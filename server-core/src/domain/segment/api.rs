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
    model::{Segment, SegmentInput, SegmentSort, UpdateSegment},
};
use crate::{
    domain::Tag,
    identity::{Caller, Permission},
    ids::SegmentId,
};

/// Operations that write and read segments.
pub(crate) struct Api {
    pub(crate) segments: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Segments")]
impl Api {
    /// List segments
    ///
    /// Returns the segments by name. Specialists and the front desk don't see segments whose rules read what they may
    /// not: custom fields that are not for their role and, for specialists, appointments.
    #[oai(path = "/segments", method = "get", operation_id = "segment_list")]
    async fn segment_list(
        &self,
        caller: Caller,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
        /// Order of the list.
        sort: Query<Option<SegmentSort>>,
    ) -> Result<Json<Page<Segment>>, ApiError> {
        caller.may(Permission::SegmentRead)?;
        let paging = Paging::new(page.0, page_size.0);
        Ok(Json(self.segments.list(&caller, sort.0.unwrap_or_default(), paging).await?))
    }

    /// Create a segment
    ///
    /// Checks the rule and finds the members in the background, mostly within seconds; `segment_preview` tries a rule
    /// beforehand, `segment_evaluate` waits for the members. The answer 422 lists all faults of the rule, each with a
    /// pointer: `protected` for protected health information, which is encrypted and can't be compared, `cycle` for a
    /// segment that reads this one. Answers 409 `segment_name_taken` if another segment has the name, and 409
    /// `too_many_segments` if the clinic has 200.
    #[oai(path = "/segments", method = "post", operation_id = "segment_create")]
    async fn segment_create(&self, caller: Caller, body: Body<SegmentInput>) -> Result<Created<Segment>, ApiError> {
        caller.may(Permission::SegmentWrite)?;
        Ok(Created(self.segments.create(&caller, caller.organization()?, &body).await?))
    }

    /// Get a segment
    ///
    /// Returns the rule and the state of its last evaluation.
    #[oai(path = "/segments/:segment_id", method = "get", operation_id = "segment_get")]
    async fn segment_get(
        &self,
        caller: Caller,
        /// Id of the segment.
        segment_id: Path<SegmentId>,
    ) -> Result<Json<Segment>, ApiError> {
        caller.may(Permission::SegmentRead)?;
        Ok(Json(self.segments.get(&caller, segment_id.0).await?))
    }

    /// Replace the properties of a segment
    ///
    /// If the rule is another one, the members are found again in the background; until then they are those of the rule
    /// before. Answers 409 `stale_version` if somebody else changed the segment in the meantime, and otherwise as
    /// `segment_create` does.
    #[oai(path = "/segments/:segment_id", method = "put", operation_id = "segment_update")]
    async fn segment_update(
        &self,
        caller: Caller,
        /// Id of the segment.
        segment_id: Path<SegmentId>,
        body: Body<UpdateSegment>,
    ) -> Result<Json<Segment>, ApiError> {
        caller.may(Permission::SegmentWrite)?;
        Ok(Json(self.segments.update(&caller, caller.organization()?, segment_id.0, &body).await?))
    }

    /// Delete a segment
    ///
    /// Deletes its members and their history as well. Answers 409 `segment_in_use` while the rule of another segment
    /// reads its members.
    #[oai(path = "/segments/:segment_id", method = "delete", operation_id = "segment_delete")]
    async fn segment_delete(
        &self,
        caller: Caller,
        /// Id of the segment.
        segment_id: Path<SegmentId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::SegmentWrite)?;
        self.segments.delete(&caller, caller.organization()?, segment_id.0).await?;
        Ok(NoContent)
    }
}
