//! The job by which open slots come to who waits. It looks at what is open and who waits then, so that
//! neither the order in which jobs run nor a repetition makes a difference.

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

/// Time of a specialist's that may have become free, or somebody who may be served.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct OfferOpen {
    specialist_id: SpecialistId,
    /// True if the job may be skipped while another for the specialist is open, because the sweep asks again anyway.
    #[serde(skip)]
    swept: bool,
}

impl Work for OfferOpen {
    const KIND: &'static str = "waitlist_offer";
    // The sweep asks again; what fails goes on failing in its own time, and not in that of what is asked anew.
    const ATTEMPTS: Option<i32> = Some(6);
    // There are many, and nothing is to be learnt from one afterwards.
    const KEEP_DAYS: i32 = 1;

    /// None after a change: one under way may have read what was before it.
    fn key(&self) -> Option<String> {
        self.swept.then(|| format!("swept:{}", self.specialist_id))
    }
}

/// Offers time that an event has freed to who waits, where anybody does. Whether anybody waits for just this is the
/// job's to find out, for not everybody may see it; who began to wait a moment ago, in another process, the sweep serves.
pub(crate) fn offer_freed(event: &AppointmentEvent, audience: Audience) -> Vec<OfferOpen> {
    if !audience.waiting {
        return Vec::new();
    }
    event.freed().map(|specialist_id| OfferOpen { specialist_id, swept: false }).into_iter().collect()
}

/// Offers what is open to who begins to wait. For any specialist, of whom there may be many, the search of each is
/// shared with the sweep, which finds one that is missed.
pub(crate) fn offer_open(event: &WaitlistEvent, _: Audience) -> Vec<OfferOpen> {
    let WaitlistEvent::Created { specialists, .. } = event else { return Vec::new() };
    let swept = specialists.len() > 1;
    specialists.iter().map(|&specialist_id| OfferOpen { specialist_id, swept }).collect()
}

/// Has it done for every specialist that somebody waits for: horizons move on and schedules change without
/// anything being cancelled. Says how many.
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

/// Offers what is open to who waits.
pub(crate) struct Offerer {
    pub(crate) waitlist: Service,
    pub(crate) across: Across,
}

#[async_trait]
impl Handler for Offerer {
    type Work = OfferOpen;

    async fn run(&self, work: OfferOpen, attempt: &JobRun) -> Result<Outcome, JobError> {
        let Some(organization) = attempt.organization else {
            return Err(JobError::fatal("organization_missing", "who waits belongs to an organization"));
        };
        // Whoever left another one has committed: what is read from here on covers it.
        attempt.absorb(&self.across, &work).await?;
        let caller = Caller::job(attempt.organization, OfferOpen::KIND, attempt.id);
        match self.waitlist.offer_open(&caller, organization, work.specialist_id).await {
            Ok(()) => Ok(Outcome::Done),
            Err(WaitlistError::Database(error)) => Err(error.into()),
            Err(error) => Err(JobError::retry("offer_failed", error)),
        }
    }
}
