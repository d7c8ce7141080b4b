use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use server_shared::{
    ApiError,
    http::{
        Body, Page, Paging,
        page::{PageNumber, PageSize},
    },
};

use super::{
    Service,
    member_model::{
        PatientSegment, PreviewSegment, SegmentEvaluation, SegmentExplanation, SegmentHistoryEntry, SegmentMember,
        SegmentPreview,
    },
};
use crate::{
    database::Disclosed,
    domain::Tag,
    identity::{Caller, Permission},
    ids::{PatientId, SegmentId},
};

/// Operations on members of segments, their history, evaluations and explanations.
pub(crate) struct MemberApi {
    pub(crate) segments: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Segments")]
impl MemberApi {
    /// List the members of a segment
    ///
    /// Returns the members of the last evaluation, in the order of the patients' ids; to specialists, those whom they
    /// treat. Writes an audit entry for each patient that is returned.
    #[oai(path = "/segments/:segment_id/members", method = "get", operation_id = "segment_member_list")]
    async fn segment_member_list(
        &self,
        caller: Caller,
        /// Id of the segment.
        segment_id: Path<SegmentId>,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
    ) -> Result<Disclosed<Json<Page<SegmentMember>>>, ApiError> {
        caller.may(Permission::SegmentRead)?;
        let paging = Paging::new(page.0, page_size.0);
        Ok(self.segments.members(&caller, segment_id.0, paging).await?.map(Json))
    }

    /// List who joined and left a segment
    ///
    /// Returns the latest change first; to specialists, changes of patients whom they treat.
    #[oai(path = "/segments/:segment_id/history", method = "get", operation_id = "segment_history_list")]
    async fn segment_history_list(
        &self,
        caller: Caller,
        /// Id of the segment.
        segment_id: Path<SegmentId>,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
        /// Id of the patient whose changes are listed; all if left out.
        patient_id: Query<Option<PatientId>>,
    ) -> Result<Json<Page<SegmentHistoryEntry>>, ApiError> {
        caller.may(Permission::SegmentRead)?;
        let paging = Paging::new(page.0, page_size.0);
        Ok(Json(self.segments.history(&caller, segment_id.0, patient_id.0, paging).await?))
    }

    /// Evaluate a segment
    ///
    /// Finds the members now and answers when they are swapped: with their number, and who came and went. Segments are
    /// evaluated in the background as well, within a minute after a change of something that the rule reads, and once
    /// after midnight. Answers 422 `segment_too_slow` if it takes longer than 25 seconds; the members then stay as they
    /// were.
    #[oai(path = "/segments/:segment_id/evaluate", method = "post", operation_id = "segment_evaluate")]
    async fn segment_evaluate(
        &self,
        caller: Caller,
        /// Id of the segment.
        segment_id: Path<SegmentId>,
    ) -> Result<Json<SegmentEvaluation>, ApiError> {
        caller.may(Permission::SegmentRead)?;
        Ok(Json(self.segments.evaluate(&caller, caller.organization()?, segment_id.0).await?))
    }

    /// Try a rule
    ///
    /// Returns the number of patients for whom the rule is true now, the number of those who are left out because a
    /// value is missing, and up to ten examples. Stores nothing, and writes an audit entry for each example. Faults are
    /// those of `segment_create`; 422 `segment_too_slow` if it takes longer than 25 seconds.
    #[oai(path = "/segments/preview", method = "post", operation_id = "segment_preview")]
    async fn segment_preview(
        &self,
        caller: Caller,
        body: Body<PreviewSegment>,
    ) -> Result<Disclosed<Json<SegmentPreview>>, ApiError> {
        caller.may(Permission::SegmentWrite)?;
        Ok(self.segments.preview(&caller, caller.organization()?, &body).await?.map(Json))
    }

    /// Explain why a patient is a member or not
    ///
    /// Returns the result of each condition for the patient as of now, the conditions for which the rule is not true,
    /// and the age of the evaluation. Writes an audit entry. Answers 409 `segment_invalid` if the rule can't be
    /// evaluated.
    #[oai(path = "/segments/:segment_id/explain", method = "get", operation_id = "segment_explain")]
    async fn segment_explain(
        &self,
        caller: Caller,
        /// Id of the segment.
        segment_id: Path<SegmentId>,
        /// Id of the patient.
        patient_id: Query<PatientId>,
    ) -> Result<Disclosed<Json<SegmentExplanation>>, ApiError> {
        caller.may(Permission::SegmentRead)?;
        let explanation = self.segments.explain(&caller, caller.organization()?, segment_id.0, patient_id.0).await?;
        Ok(explanation.map(Json))
    }

    /// List the segments of a patient
    ///
    /// Returns the segments of which the patient was a member at their last evaluation, among those that the caller
    /// sees. Writes an audit entry.
    #[oai(path = "/patients/:patient_id/segments", method = "get", operation_id = "patient_segment_list")]
    async fn patient_segment_list(
        &self,
        caller: Caller,
        /// Id of the patient.
        patient_id: Path<PatientId>,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
    ) -> Result<Disclosed<Json<Page<PatientSegment>>>, ApiError> {
        caller.may(Permission::SegmentRead)?;
        let paging = Paging::new(page.0, page_size.0);
        let segments = self.segments.of_patient(&caller, caller.organization()?, patient_id.0, paging).await?;
        Ok(segments.map(Json))
    }
}
