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
    /// Who waits longest first. Patients see their own.
    #[allow(clippy::too_many_arguments, reason = "one argument a query parameter")]
    #[oai(path = "/waitlist", method = "get", operation_id = "waitlist_entry_list")]
    async fn waitlist_entry_list(
        &self,
        caller: Caller,
        /// Number of the page, from 1.
        page: Query<Option<PageNumber>>,
        /// Entries a page, at most 100.
        page_size: Query<Option<PageSize>>,
        /// Only those that name this specialist.
        specialist_id: Query<Option<SpecialistId>>,
        /// Only those of this patient.
        patient_id: Query<Option<PatientId>>,
        /// Only those that stand there.
        status: Query<Option<WaitlistStatus>>,
    ) -> Result<Json<Page<WaitlistEntry>>, ApiError> {
        caller.may(Permission::WaitlistRead)?;
        let filter = WaitlistFilter { specialist_id: specialist_id.0, patient_id: patient_id.0, status: status.0 };
        Ok(Json(self.waitlist.list(&caller, &filter, Paging::new(page.0, page_size.0)).await?))
    }

    /// Put a patient on the waitlist
    ///
    /// For a specialist, for what a template says with anybody who has its specialty, or both. What is open
    /// in the requested range is offered within a minute, what opens later when it does, to who waits longest
    /// first: for an hour, and never beyond the slot's beginning. Nobody is offered a time
    /// with a specialist again that it let pass, nor anything more after three offers that ran out. 409
    /// `already_waiting` while the patient waits for the same, `waitlist_full` while it waits for ten things.
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
    /// What it was offered goes to who waits next. An appointment that it has led to stays.
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
    /// Books the slot that is kept for the entry: the appointment has the offer's id. 409 `no_offer` when
    /// there is none, `offer_expired` when it has run out or the specialist can't keep it, `already_booked` when it was accepted before. Name
    /// the offer that was shown, so that no other one is booked that has come since.
    #[oai(path = "/waitlist/:waitlist_entry_id/accept", method = "post", operation_id = "waitlist_entry_accept")]
    async fn waitlist_entry_accept(
        &self,
        caller: Caller,
        /// Id of the entry.
        waitlist_entry_id: Path<WaitlistEntryId>,
        /// The offer that is meant: 409 `offer_expired` when it is another by now. Left out, whichever it is.
        appointment_id: Query<Option<AppointmentId>>,
    ) -> Result<Json<Appointment>, ApiError> {
        caller.may(Permission::WaitlistWrite)?;
        let organization = caller.organization()?;
        Ok(Json(self.waitlist.accept(&caller, organization, waitlist_entry_id.0, appointment_id.0).await?))
    }
}
