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
    model::{CreateWaitlistEntry, WaitlistEntry, WaitlistFilter, WaitlistStatus},
};
use crate::{
    domain::{Tag, appointment::Appointment},
    identity::{Caller, Permission},
    ids::{AppointmentId, PatientId, SpecialistId, WaitlistEntryId},
};

/// `/v1/waitlist`
pub(crate) struct Api {
    pub(crate) waitlist: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Waitlist")]
impl Api {
    /// List the waitlist
    ///
    /// Lists the entries of the waitlist, the longest waiting first. Patients see their own.
    #[allow(clippy::too_many_arguments, reason = "one argument a query parameter")]
    #[oai(path = "/waitlist", method = "get", operation_id = "waitlist_entry_list")]
    async fn waitlist_entry_list(
        &self,
        caller: Caller,
        /// Number of the page, from 1.
        page: Query<Option<PageNumber>>,
        /// Entries per page, at most 100.
        page_size: Query<Option<PageSize>>,
        /// Selects entries that name this specialist.
        specialist_id: Query<Option<SpecialistId>>,
        /// Selects entries of this patient.
        patient_id: Query<Option<PatientId>>,
        /// Selects entries with this status.
        status: Query<Option<WaitlistStatus>>,
    ) -> Result<Json<Page<WaitlistEntry>>, ApiError> {
        caller.may(Permission::WaitlistRead)?;
        let filter = WaitlistFilter { specialist_id: specialist_id.0, patient_id: patient_id.0, status: status.0 };
        Ok(Json(self.waitlist.list(&caller, &filter, Paging::new(page.0, page_size.0)).await?))
    }

    /// Put a patient on the waitlist
    ///
    /// Adds an entry for a specialist, for an appointment template with any specialist of its specialty, or for both.
    /// Slots that are open in the requested range are offered within a minute, later ones when they become open, to the
    /// longest waiting entry first. An offer lasts an hour and ends when its slot begins, at the latest. A patient is
    /// not offered a time with a specialist again after letting it lapse, and an entry gets no more offers after three
    /// that lapsed. Answers 409 `already_waiting` if the patient has an open entry for the same, `waitlist_full` if it
    /// has ten open entries.
    #[oai(path = "/waitlist", method = "post", operation_id = "waitlist_entry_create")]
    async fn waitlist_entry_create(
        &self,
        caller: Caller,
        body: Body<CreateWaitlistEntry>,
    ) -> Result<Created<WaitlistEntry>, ApiError> {
        caller.may(Permission::WaitlistWrite)?;
        Ok(Created(self.waitlist.create(&caller, caller.organization()?, &body).await?))
    }

    /// Take a patient off the waitlist
    ///
    /// Removes the entry. Its offer goes to the next entry; an appointment that was booked from it stays.
    #[oai(path = "/waitlist/:waitlist_entry_id", method = "delete", operation_id = "waitlist_entry_delete")]
    async fn waitlist_entry_delete(
        &self,
        caller: Caller,
        /// Id of the entry.
        waitlist_entry_id: Path<WaitlistEntryId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::WaitlistWrite)?;
        self.waitlist.delete(&caller, waitlist_entry_id.0).await?;
        Ok(NoContent)
    }

    /// Accept an offer
    ///
    /// Books the slot that is offered to the entry; the appointment has the offer's identifier. Answers 409 `no_offer`
    /// if there is no offer, `offer_expired` if it has lapsed or the specialist cannot keep it, `already_booked` if it
    /// was accepted before. Name the offer in `appointment_id`, so that a later one is not booked instead.
    #[oai(path = "/waitlist/:waitlist_entry_id/accept", method = "post", operation_id = "waitlist_entry_accept")]
    async fn waitlist_entry_accept(
        &self,
        caller: Caller,
        /// Id of the entry.
        waitlist_entry_id: Path<WaitlistEntryId>,
        /// Offer to accept; 409 `offer_expired` if the entry has another one. The present offer if left out.
        appointment_id: Query<Option<AppointmentId>>,
    ) -> Result<Json<Appointment>, ApiError> {
        caller.may(Permission::WaitlistWrite)?;
        let organization = caller.organization()?;
        Ok(Json(self.waitlist.accept(&caller, organization, waitlist_entry_id.0, appointment_id.0).await?))
    }
}
