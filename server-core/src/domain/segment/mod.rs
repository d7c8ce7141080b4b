//! Segments: patients for whom a rule is true, found by jobs and kept with their history
//! ([decision 57](../../../../docs/decisions/0057-segments.md)).

mod api;
mod engine;
mod error;
mod evaluate;
mod event;
mod holdings;
mod inspect;
mod job;
mod member_api;
mod member_model;
mod model;
mod repository;
mod service;
mod table;
mod touched;

pub(crate) use holdings::HOLDINGS;
pub(crate) use job::{
    SegmentEvaluator, SegmentsFollower, appointments_follow, fields_follow, form_templates_follow, forms_follow,
    patients_follow, profiles_follow, segment_evaluate, segments_follow, segments_sweep, zones_follow,
};
pub(crate) use service::Service;
pub(crate) use table::{MemberTable, SegmentMemberColumn};

/// Operations of segments.
pub(crate) type Api = (api::Api, member_api::MemberApi);

impl Service {
    /// Returns the operations of the service.
    pub(crate) fn api(self) -> Api {
        (api::Api { segments: self.clone() }, member_api::MemberApi { segments: self })
    }
}
