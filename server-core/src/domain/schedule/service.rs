use super::{
    error::ScheduleError,
    model::{SpecialistSchedule, UpdateSpecialistSchedule},
    repository::{self, Standing},
    rules::{self, Period, Window},
};
use crate::{
    database::Database,
    domain::{rules::StaleVersion, specialist::SpecialistEvent},
    identity::Caller,
    ids::{OrganizationId, SpecialistId},
};

/// When specialists work.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
}

impl Service {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    pub(super) async fn get(&self, caller: &Caller, id: SpecialistId) -> Result<SpecialistSchedule, ScheduleError> {
        let mut reader = self.database.read(caller).open().await?;
        Ok(repository::schedule_get(&mut reader, id).await?.ok_or(ScheduleError::NotFound)?.into())
    }

    pub(super) async fn update(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: SpecialistId,
        input: &UpdateSpecialistSchedule,
    ) -> Result<SpecialistSchedule, ScheduleError> {
        let (windows, periods) = rules::checked(input)?;
        let mut tx = self.database.write(caller).await?;
        // Another's row is not found, for a specialist as for a stranger: updating is the lock.
        let standing = repository::schedule_lock(&mut tx, id).await?.ok_or(ScheduleError::NotFound)?;
        StaleVersion::check(input.version, standing.version)?;
        let version = repository::schedule_update(&mut tx, organization, id, input, &windows, &periods).await?;
        tx.commit(SpecialistEvent::Updated(id, changed(&standing, input, &windows, &periods))).await?;
        Ok(SpecialistSchedule {
            specialist_id: id,
            timezone: standing.timezone,
            slot_minutes: input.slot_minutes,
            buffer_before_minutes: input.buffer_before_minutes,
            buffer_after_minutes: input.buffer_after_minutes,
            minimum_notice_minutes: input.minimum_notice_minutes,
            horizon_days: input.horizon_days,
            daily_cap: input.daily_cap,
            hours: windows.into_iter().map(Into::into).collect(),
            exceptions: periods.into_iter().map(Into::into).collect(),
            version,
        })
    }
}

/// The names of what the change changes.
fn changed(
    standing: &Standing,
    input: &UpdateSpecialistSchedule,
    windows: &[Window],
    periods: &[Period],
) -> Vec<&'static str> {
    let differs = [
        ("slot_minutes", standing.slot_minutes != input.slot_minutes),
        ("buffer_before_minutes", standing.buffer_before_minutes != input.buffer_before_minutes),
        ("buffer_after_minutes", standing.buffer_after_minutes != input.buffer_after_minutes),
        ("minimum_notice_minutes", standing.minimum_notice_minutes != input.minimum_notice_minutes),
        ("horizon_days", standing.horizon_days != input.horizon_days),
        ("daily_cap", standing.daily_cap != input.daily_cap),
        ("hours", standing.windows() != windows),
        ("exceptions", standing.periods() != periods),
    ];
    differs.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}
