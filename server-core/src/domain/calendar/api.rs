use chrono::{DateTime, Utc};
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
    /// Show a calendar
    ///
    /// Every appointment that overlaps the range, in UTC and as clocks in the zone show it; specialists
    /// and patients see their own. Holds and what became of them are shown only where `status` asks for
    /// them: a hold is a time that is busy for a while.
    #[oai(path = "/calendar", method = "get", operation_id = "calendar_get")]
    async fn calendar_get(
        &self,
        caller: Caller,
        /// Those that end after this moment.
        from: Query<DateTime<Utc>>,
        /// Those that begin before this moment, at most 92 days after `from`.
        to: Query<DateTime<Utc>>,
        /// Only those of this specialist.
        specialist_id: Query<Option<SpecialistId>>,
        /// Only those in this state.
        status: Query<Option<AppointmentStatus>>,
        /// The IANA zone of local times; the organization's when left out.
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

    /// Show a calendar of several specialists
    ///
    /// The same as showing a calendar, for what a query is too short for; it changes nothing.
    #[oai(path = "/calendar", method = "post", operation_id = "calendar_search")]
    async fn calendar_search(&self, caller: Caller, body: Body<SearchCalendar>) -> Result<Json<Calendar>, ApiError> {
        caller.may(Permission::CalendarRead)?;
        Ok(Json(self.calendar.search(&caller, &body).await?))
    }

    /// Get a link to subscribe to one's calendar
    ///
    /// The answer shows a token, once: whoever has the link `/v1/calendar.ics?token=…` reads the
    /// appointments that the caller may see in this organization, without names or titles. A new link
    /// ends the one before; all end with the membership.
    #[oai(path = "/calendar/feeds", method = "post", operation_id = "calendar_feed_create")]
    async fn calendar_feed_create(&self, caller: Person) -> Result<Created<CalendarFeedToken>, ApiError> {
        caller.may(Permission::CalendarRead)?;
        caller.in_person()?;
        Ok(Created(self.calendar.feed_create(&caller, caller.organization()?).await?))
    }

    /// Revoke the link to one's calendar
    ///
    /// It is refused from then on. Repeated, it does nothing more.
    #[oai(path = "/calendar/feeds", method = "delete", operation_id = "calendar_feed_delete")]
    async fn calendar_feed_delete(&self, caller: Person) -> Result<NoContent, ApiError> {
        caller.may(Permission::CalendarRead)?;
        caller.in_person()?;
        self.calendar.feed_delete(&caller, caller.organization()?).await?;
        Ok(NoContent)
    }

    /// Read a calendar feed
    ///
    /// For calendar programs, which can send no header: the token is the one credential that is taken
    /// from a link. Appointments of the last 90 and the next 366 days as iCalendar (RFC 5545), in UTC;
    /// what was cancelled or missed stays, marked `CANCELLED`. 404 `calendar_feed_not_found` when the
    /// link was revoked or never was, or its owner is no member any more.
    #[oai(path = "/calendar.ics", method = "get", operation_id = "calendar_feed_get")]
    async fn calendar_feed_get(
        &self,
        request: &Request,
        /// The token that the link was given with.
        #[oai(validator(pattern = "^[!-~]*$"))]
        token: Query<String>,
    ) -> Result<Icalendar, ApiError> {
        let caller = self.feeds.caller(request, "calendar_feed_get", &token).await?;
        caller.may(Permission::CalendarRead)?;
        Ok(Icalendar(self.calendar.feed(&caller).await?))
    }
}

/// 200 with a calendar as programs exchange it. Nobody keeps a copy (`no-store`, as of every answer): a
/// cache is found by the link, which is the secret, and would outlive its end.
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
