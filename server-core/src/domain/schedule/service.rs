use super::{
    error::ScheduleError,
    model::{SpecialistSchedule, UpdateSpecialistSchedule},
    repository::{self, ScheduleRow},
    rules::{self, LocalPeriod, WeeklyWindow},
};
use crate::{
    database::Database,
    domain::{rules::StaleVersion, specialist::SpecialistEvent},
    identity::Caller,
    ids::{OrganizationId, SpecialistId},
};

/// Schedules of specialists.
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
        // A specialist that the caller may not change is not found: the lock applies the policies for updates.
        let before = repository::schedule_lock(&mut tx, id).await?.ok_or(ScheduleError::NotFound)?;
        StaleVersion::check(input.version, before.version)?;
        let version = repository::schedule_update(&mut tx, organization, id, input, &windows, &periods).await?;
        tx.commit(SpecialistEvent::Updated(id, changed(&before, input, &windows, &periods))).await?;
        Ok(SpecialistSchedule {
            specialist_id: id,
            timezone: before.timezone,
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

/// Returns the names of the fields whose values the change alters.
fn changed(
    before: &ScheduleRow,
    input: &UpdateSpecialistSchedule,
    windows: &[WeeklyWindow],
    periods: &[LocalPeriod],
) -> Vec<&'static str> {
    let differs = [
        ("slot_minutes", before.slot_minutes != input.slot_minutes),
        ("buffer_before_minutes", before.buffer_before_minutes != input.buffer_before_minutes),
        ("buffer_after_minutes", before.buffer_after_minutes != input.buffer_after_minutes),
        ("minimum_notice_minutes", before.minimum_notice_minutes != input.minimum_notice_minutes),
        ("horizon_days", before.horizon_days != input.horizon_days),
        ("daily_cap", before.daily_cap != input.daily_cap),
        ("hours", before.windows() != windows),
        ("exceptions", before.periods() != periods),
    ];
    differs.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}
