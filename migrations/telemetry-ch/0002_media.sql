-- One row a session and participant. Every batch of events folds into a row of its own, and rows of
-- one key merge by functions that don't care about order or repetition: least, greatest, union of
-- sets, greatest by key. So a batch that is sent twice, late or in pieces leaves the same row. What
-- has to be counted (stalls, changes of quality, time active) is kept as a set or by sequence number
-- for that reason, and counted when it is read.
create table if not exists media_sessions {on_cluster}
(
    organization_id Int64,
    session_id UUID,
    actor FixedString(32) codec(ZSTD(1)),
    -- The day of reception, for partition and retention. A session may have rows in two months; `final`
    -- brings them together.
    day Date,
    role SimpleAggregateFunction(max, String),
    -- Empty, 0 or null until an event says it.
    kind SimpleAggregateFunction(max, String),
    appointment_id SimpleAggregateFunction(max, Int64),
    started_at SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC'))),
    first_seen_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    ended_at SimpleAggregateFunction(max, Nullable(DateTime64(3, 'UTC'))),
    end_reason SimpleAggregateFunction(max, String),
    received_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    -- Every sequence number seen: gaps are events that never came.
    sequences SimpleAggregateFunction(groupUniqArrayArray, Array(UInt32)) codec(ZSTD(1)),
    -- Quarters of a minute, counted from the epoch, in which the person was there.
    active_slots SimpleAggregateFunction(groupUniqArrayArray, Array(UInt32)) codec(ZSTD(1)),
    -- By sequence number: milliseconds that the picture stood still; quality from 1 to 4.
    stalls SimpleAggregateFunction(maxMap, Map(UInt32, UInt32)) codec(ZSTD(1)),
    qualities SimpleAggregateFunction(maxMap, Map(UInt32, UInt8)) codec(ZSTD(1)),
    -- Sequence number, exercise, whether it is the end, milliseconds since 1970, repetitions.
    exercises SimpleAggregateFunction(groupUniqArrayArray, Array(Tuple(UInt32, String, UInt8, Int64, UInt32))) codec(ZSTD(1)),
    network SimpleAggregateFunction(max, String),
    agent SimpleAggregateFunction(max, String),
    os SimpleAggregateFunction(max, String),
    device SimpleAggregateFunction(max, String)
)
engine = {replicated}AggregatingMergeTree
partition by toYYYYMM(day)
order by (organization_id, session_id, actor)
settings fsync_after_insert = 1, fsync_part_directory = 1;

-- Samples of the connection, one by one. The sequence number names a sample within its session.
create table if not exists media_bandwidth_samples {on_cluster}
(
    organization_id Int64,
    session_id UUID,
    actor FixedString(32) codec(ZSTD(1)),
    sequence UInt32 codec(Delta, ZSTD(1)),
    occurred_at DateTime64(3, 'UTC') codec(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') codec(Delta, ZSTD(1)),
    uplink_kbps Nullable(UInt32) codec(ZSTD(1)),
    downlink_kbps Nullable(UInt32) codec(ZSTD(1)),
    round_trip_ms Nullable(UInt32) codec(ZSTD(1)),
    packet_loss Nullable(Float32) codec(ZSTD(1))
)
engine = {replicated}ReplacingMergeTree
partition by toYYYYMM(received_at)
order by (organization_id, session_id, actor, sequence)
settings fsync_after_insert = 1, fsync_part_directory = 1;
