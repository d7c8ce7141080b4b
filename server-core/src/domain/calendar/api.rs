use poem::{IntoResponse, Request, Response, http::StatusCode};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::Query,
    payload::Json,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use server_shared::{
    ApiError,
    http::{Body, Created, NoContent},
    value::Moment,
};

use super::{
    Service,
    error::CalendarError,
    model::{Calendar, CalendarFeedToken, SearchCalendar},
};
use crate::{
    domain::{Tag, appointment::AppointmentStatus},
    http::Feeds,
    identity::{Caller, Permission, Person},
    ids::SpecialistId,
};

/// `/v1/calendar` and `/v1/calendar.ics`
pub(crate) struct Api {
    pub(crate) calendar: Service,
    pub(crate) feeds: Feeds,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Calendar")]
impl Api {
    /// Get a calendar
    ///
    /// Returns the appointments that overlap the range, in UTC and in local time. Specialists and patients see only
    /// their own. Appointments with the status `held` or `expired` are included only if `status` selects them.
    #[oai(path = "/calendar", method = "get", operation_id = "calendar_get")]
    async fn calendar_get(
        &self,
        caller: Caller,
        /// Start of the range: selects appointments that end after it.
        from: Query<Moment>,
        /// End of the range, after `from` and at most 92 days after it: selects appointments that begin before it.
        to: Query<Moment>,
        /// Selects appointments of this specialist.
        specialist_id: Query<Option<SpecialistId>>,
        /// Selects appointments with this status.
        status: Query<Option<AppointmentStatus>>,
        /// IANA time zone of the local times; the organization's if left out.
        #[oai(validator(pattern = "^[!-~]*$"))]
        timezone: Query<Option<String>>,
    ) -> Result<Json<Calendar>, ApiError> {
        caller.may(Permission::CalendarRead)?;
        let search = SearchCalendar {
            from: from.0,
            to: to.0,
            specialist_ids: specialist_id.0.into_iter().collect(),
            statuses: status.0.into_iter().collect(),
            timezone: timezone.0,
        };
        Ok(Json(self.calendar.search(&caller, &search).await.map_err(CalendarError::of_parameters)?))
    }

    /// Search a calendar
    ///
    /// Returns the same as `calendar_get`, for several specialists and statuses. Takes the filter in the body, because
    /// it may be too long for a query, and changes nothing.
    #[oai(path = "/calendar", method = "post", operation_id = "calendar_search")]
    async fn calendar_search(&self, caller: Caller, body: Body<SearchCalendar>) -> Result<Json<Calendar>, ApiError> {
        caller.may(Permission::CalendarRead)?;
        Ok(Json(self.calendar.search(&caller, &body).await?))
    }

    /// Create a calendar feed
    ///
    /// Creates the caller's calendar feed, or replaces the token of the existing one. Returns the token, which is shown
    /// only once. Anybody who has the link `/v1/calendar.ics?token=…` can read the appointments that the caller may see
    /// in this organization, without names and titles. The previous link becomes invalid immediately, and the new one
    /// when the membership ends.
    #[oai(path = "/calendar/feeds", method = "post", operation_id = "calendar_feed_create")]
    async fn calendar_feed_create(&self, caller: Person) -> Result<Created<CalendarFeedToken>, ApiError> {
        caller.may(Permission::CalendarRead)?;
        caller.in_person()?;
        Ok(Created(self.calendar.feed_create(&caller, caller.organization()?).await?))
    }

    /// Revoke a calendar feed
    ///
    /// Revokes the link immediately. A repeated request has no further effect.
    #[oai(path = "/calendar/feeds", method = "delete", operation_id = "calendar_feed_delete")]
    async fn calendar_feed_delete(&self, caller: Person) -> Result<NoContent, ApiError> {
        caller.may(Permission::CalendarRead)?;
        caller.in_person()?;
        self.calendar.feed_delete(&caller, caller.organization()?).await?;
        Ok(NoContent)
    }

    /// Read a calendar feed
    ///
    /// Returns appointments of the last 90 and the next 366 days as iCalendar (RFC 5545), in UTC. Takes its credential
    /// from the URL, because calendar programs cannot send headers; no other operation does. Cancelled and missed
    /// appointments are included as `CANCELLED`; so are, for 90 days, appointments that were deleted or given to
    /// another specialist or patient. `SEQUENCE` increases with each change that is visible in the feed. Answers 404
    /// `calendar_feed_not_found` if the link was revoked or never existed, or if its owner is not a member any more.
    #[oai(path = "/calendar.ics", method = "get", operation_id = "calendar_feed_get")]
    async fn calendar_feed_get(
        &self,
        request: &Request,
        /// Token of the feed.
        #[oai(validator(pattern = "^[!-~]*$"))]
        token: Query<String>,
    ) -> Result<Icalendar, ApiError> {
        let caller = self.feeds.caller(request, "calendar_feed_get", &token).await?;
        caller.may(Permission::CalendarRead)?;
        Ok(Icalendar(self.calendar.feed(&caller).await?))
    }
}

/// Answer 200 with an iCalendar file. Like every answer it is not cached (`no-store`): a cache would be keyed by the
/// URL, which contains the token, and would outlive a revocation.
struct Icalendar(String);

impl Icalendar {
    const CONTENT_TYPE: &'static str = "text/calendar; charset=utf-8";
}

impl ApiResponse for Icalendar {
    fn meta() -> MetaResponses {
        let media = MetaMediaType { content_type: Self::CONTENT_TYPE, schema: String::schema_ref() };
        MetaResponses {
            responses: vec![MetaResponse {
                description: "The calendar.",
                status: Some(StatusCode::OK.as_u16()),
                status_range: None,
                content: vec![media],
                headers: Vec::new(),
            }],
        }
    }

    fn register(_registry: &mut Registry) {}
}

impl IntoResponse for Icalendar {
    fn into_response(self) -> Response {
        Response::builder().content_type(Self::CONTENT_TYPE).body(self.0)
    }
}
