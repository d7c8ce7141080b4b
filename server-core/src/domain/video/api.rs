use poem_openapi::{OpenApi, param::Path};
use server_shared::{ApiError, http::Created};

use super::{Service, model::VideoToken};
use crate::{
    domain::Tag,
    identity::{Permission, Person},
    ids::AppointmentId,
};

/// `/v1/appointments/{appointment_id}/video-token`
pub(crate) struct Api {
    pub(crate) video: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Video")]
impl Api {
    /// Join an appointment by video
    ///
    /// Returns a token for the appointment's video room, only to the patient and the specialist of the appointment, and
    /// only from 15 minutes before its start to 30 minutes after its end. The token is valid for this person and this
    /// room. Answers 409 `not_a_video_appointment` if the appointment takes place at the clinic, `video_not_open`
    /// outside of that time and when the appointment has ended or was cancelled.
    #[oai(path = "/appointments/:appointment_id/video-token", method = "post", operation_id = "video_token_create")]
    async fn video_token_create(
        &self,
        caller: Person,
        /// Id of the appointment.
        appointment_id: Path<AppointmentId>,
    ) -> Result<Created<VideoToken>, ApiError> {
        caller.may(Permission::VideoJoin)?;
        caller.in_person()?;
        Ok(Created(self.video.join(&caller, appointment_id.0).await?))
    }
}
