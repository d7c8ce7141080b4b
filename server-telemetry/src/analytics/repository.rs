//! Queries of `analytics_events`. All of them use `final`, so that an event that was sent twice counts once.

use chrono::{DateTime, Utc};
use clickhouse::{Client, error::Error};

use super::model::{EventSummary, Totals};

/// Maximum number of names in a summary.
const NAMES_MAX: u32 = 1_000;

/// Queries analytics.
pub(crate) struct AnalyticsRepository {
    client: Client,
}

impl AnalyticsRepository {
    /// Makes a repository that queries through `client`.
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Returns the number of events of an organization from `from` up to `to`, in total and by name.
    pub(crate) async fn summary(
        &self,
        organization_id: i64,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<(Totals, Vec<EventSummary>), Error> {
        let totals = self
            .client
            .query(
                "select count() as events, uniqExact(actor) as unique_actors
                 from analytics_events final
                 where organization_id = ?
                   and occurred_at >= fromUnixTimestamp64Milli(?) and occurred_at < fromUnixTimestamp64Milli(?)",
            )
            .bind(organization_id)
            .bind(millis(from))
            .bind(millis(to))
            .fetch_one::<Totals>();
        let by_event = self
            .client
            .query(
                "select name, count() as events, uniqExact(actor) as unique_actors
                 from analytics_events final
                 where organization_id = ?
                   and occurred_at >= fromUnixTimestamp64Milli(?) and occurred_at < fromUnixTimestamp64Milli(?)
                 group by name
                 order by events desc, name
                 limit ?",
            )
            .bind(organization_id)
            .bind(millis(from))
            .bind(millis(to))
            .bind(NAMES_MAX)
            .fetch_all::<EventSummary>();
        tokio::try_join!(totals, by_event)
    }
}

/// Returns the milliseconds since 1970, clamped to the years that `DateTime64` is defined for: 1900 to 2299.
fn millis(moment: DateTime<Utc>) -> i64 {
    const YEAR_1900: i64 = -2_208_988_800_000;
    const YEAR_2300: i64 = 10_413_792_000_000;
    moment.timestamp_millis().clamp(YEAR_1900, YEAR_2300 - 1)
}
