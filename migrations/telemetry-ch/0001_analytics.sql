-- Events of pages. A page may send an event again, so the key is what it never sends differently: the
-- organization and the event's id, with the hour that the id carries (UUIDv7) before it, so that rows
-- of one time lie together although ClickHouse orders UUIDs by their random half.
-- `occurred_at` is no part of the key: it is corrected by the client's clock, which may drift between
-- two tries. Duplicates go when parts merge; until then queries read with `final`, which also finds
-- those in different partitions.
create table if not exists analytics_events {on_cluster}
(
    organization_id Int64,
    event_hour UInt32 codec(Delta, ZSTD(1)),
    event_id UUID,
    name LowCardinality(String),
    occurred_at DateTime64(3, 'UTC') codec(Delta, ZSTD(1)),
    sent_at Nullable(DateTime64(3, 'UTC')) codec(ZSTD(1)),
    received_at DateTime64(3, 'UTC') codec(Delta, ZSTD(1)),
    -- Keyed hashes: whoever reads this table can't tell who or from where.
    actor FixedString(32) codec(ZSTD(1)),
    role LowCardinality(String),
    page String codec(ZSTD(1)),
    properties Map(LowCardinality(String), String) codec(ZSTD(1)),
    numbers Map(LowCardinality(String), Float64) codec(ZSTD(1)),
    network String codec(ZSTD(1)),
    ip_hash FixedString(32) codec(ZSTD(1)),
    agent LowCardinality(String),
    os LowCardinality(String),
    device LowCardinality(String),
    -- Rows of one time lie together, so few granules have to be read for a stretch of it.
    index occurred_at_bounds occurred_at type minmax granularity 1
)
engine = {replicated}ReplacingMergeTree
partition by toYYYYMM(occurred_at)
order by (organization_id, event_hour, event_id)
-- What is acknowledged is on disk, not only with the kernel; group commit makes that cheap.
settings fsync_after_insert = 1, fsync_part_directory = 1;
