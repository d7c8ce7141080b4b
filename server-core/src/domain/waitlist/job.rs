//! Job that offers open slots to entries of the waitlist. It reads the open slots and entries when it runs, so that
//! neither the order of jobs nor a repetition matters.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{error::WaitlistError, event::WaitlistEvent, repository, service::Service};
use crate::{
    database::{Across, DatabaseError},
    domain::appointment::AppointmentEvent,
    event::Audience,
    identity::Caller,
    ids::SpecialistId,
    jobs::{Handler, JobError, JobRun, NewJob, Outcome, Work, jobs_enqueue},
};

/// Search for offers of a specialist's time, after some of it may have become free or an entry was added.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct OfferOpen {
    specialist_id: SpecialistId,
    /// `true` if the job may be skipped while another one for the specialist is open, because the sweep repeats it.
    #[serde(skip)]
    swept: bool,
}

impl Work for OfferOpen {
    const KIND: &'static str = "waitlist_offer";
    // Few attempts: the sweep repeats the search with a new job.
    const ATTEMPTS: Option<i32> = Some(6);
    // There are many, and their rows are of no use afterwards.
    const KEEP_DAYS: i32 = 1;

    /// Returns no key after a change: a job that is running may have read the state before it.
    fn key(&self) -> Option<String> {
        self.swept.then(|| format!("swept:{}", self.specialist_id))
    }
}

/// Returns the jobs that offer time that an event has freed, if anybody waits in the organization. The job finds out
/// whether an entry matches, because the caller may not see all entries. An entry added a moment ago by another process
/// is found by the sweep.
pub(crate) fn offer_freed(event: &AppointmentEvent, audience: Audience) -> Vec<OfferOpen> {
    if !audience.waiting {
        return Vec::new();
    }
    event.freed().map(|specialist_id| OfferOpen { specialist_id, swept: false }).into_iter().collect()
}

/// Returns the jobs that offer open slots to a new entry. If several specialists can serve it, each search shares its
/// key with the sweep, which repeats a search that was skipped.
pub(crate) fn offer_open(event: &WaitlistEvent, _: Audience) -> Vec<OfferOpen> {
    let WaitlistEvent::Created { specialists, .. } = event else { return Vec::new() };
    let swept = specialists.len() > 1;
    specialists.iter().map(|&specialist_id| OfferOpen { specialist_id, swept }).collect()
}

/// Enqueues a search for every specialist that an entry waits for, because horizons advance and schedules change
/// without an event that frees time. Returns the number of jobs.
pub(crate) async fn sweep(across: Across) -> Result<u64, DatabaseError> {
    let awaited = repository::awaited_specialists(&across).await?;
    if awaited.is_empty() {
        return Ok(0);
    }
    let job =
        |(organization, specialist_id)| NewJob::of(&OfferOpen { specialist_id, swept: true }, Some(organization), None);
    let jobs = awaited.into_iter().map(job).collect::<Result<Vec<_>, _>>()?;
    jobs_enqueue(across.pool(), &jobs).await
}

/// Handler of [`OfferOpen`].
pub(crate) struct Offerer {
    pub(crate) waitlist: Service,
    pub(crate) across: Across,
}

#[async_trait]
impl Handler for Offerer {
    type Work = OfferOpen;

    async fn run(&self, work: OfferOpen, attempt: &JobRun) -> Result<Outcome, JobError> {
        let organization = attempt.organization()?;
        // Other jobs for the specialist were enqueued by committed transactions, whose changes this one reads, too.
        attempt.absorb(&self.across, &work).await?;
        let caller = Caller::job(attempt.organization, OfferOpen::KIND, attempt.id);
        match self.waitlist.offer_open(&caller, organization, work.specialist_id).await {
            Ok(()) => Ok(Outcome::Done),
            Err(WaitlistError::Database(error)) => Err(error.into()),
            Err(error) => Err(JobError::retry("offer_failed", error)),
        }
    }
}
