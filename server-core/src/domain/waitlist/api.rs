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
    /// Returns the entries of the waitlist, the longest waiting first. Patients see only their own.
    #[allow(clippy::too_many_arguments, reason = "one argument a query parameter")]
    #[oai(path = "/waitlist", method = "get", operation_id = "waitlist_entry_list")]
    async fn waitlist_entry_list(
        &self,
        caller: Caller,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
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
    /// Open slots in the requested range are offered within a minute, and others as soon as they become open; the entry
    /// that has waited longest gets the first offer. An offer lasts an hour, or until its slot begins if that is
    /// earlier. A patient who lets an offer lapse is not offered the same time with the same specialist again, and an
    /// entry gets no more offers after three that lapsed. Answers 409 `already_waiting` if the patient has an open
    /// entry for the same specialist and template, `waitlist_full` if the patient has ten open entries.
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
    /// Deletes the entry and releases its offer, whose slot can then be offered to another entry. An appointment that
    /// was booked from the entry stays.
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
    /// Books the slot that is offered to the entry; the appointment keeps the id of the offer. Answers 409 `no_offer`
    /// if there is no offer, `offer_expired` if it has lapsed or the specialist cannot keep it, `already_booked` if it
    /// was accepted before. State the offer in `appointment_id`; otherwise a newer offer may be booked instead.
    #[oai(path = "/waitlist/:waitlist_entry_id/accept", method = "post", operation_id = "waitlist_entry_accept")]
    async fn waitlist_entry_accept(
        &self,
        caller: Caller,
        /// Id of the entry.
        waitlist_entry_id: Path<WaitlistEntryId>,
        /// Offer to accept, by its `appointment_id`; 409 `offer_expired` if the entry has a different one. The present
        /// offer if left out.
        appointment_id: Query<Option<AppointmentId>>,
    ) -> Result<Json<Appointment>, ApiError> {
        caller.may(Permission::WaitlistWrite)?;
        let organization = caller.organization()?;
        Ok(Json(self.waitlist.accept(&caller, organization, waitlist_entry_id.0, appointment_id.0).await?))
    }
}
