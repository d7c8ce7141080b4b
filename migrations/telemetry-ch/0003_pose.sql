-- Body landmarks. The offset names a frame within its session; a frame sent again replaces itself.
create table if not exists pose_frames {on_cluster}
(
    organization_id Int64,
    session_id UUID,
    actor FixedString(32) codec(ZSTD(1)),
    offset_ms UInt32 codec(Delta, ZSTD(1)),
    exercise_id LowCardinality(String),
    occurred_at DateTime64(3, 'UTC') codec(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') codec(Delta, ZSTD(1)),
    -- 33 times x, y, z, visibility, each in 8,000ths: an eighth of a millimetre on a picture a metre
    -- wide, in half the space of a float.
    landmarks Array(Int16) codec(ZSTD(1))
)
engine = {replicated}ReplacingMergeTree
partition by toYYYYMM(received_at)
order by (organization_id, session_id, actor, offset_ms)
settings fsync_after_insert = 1, fsync_part_directory = 1;
