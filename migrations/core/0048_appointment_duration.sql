-- no-transaction
-- The longest duration of an appointment. Reads of a range rely on it: whatever overlaps the range began less than a day
-- before it, so that an index bounds the range on both sides.
--
-- Each step is a transaction of its own and can be repeated, also when it has waited in vain for the table. The constraint is added without looking at the rows, which
-- takes the table for a moment; the rows are then validated while others read and write.
begin;
set local lock_timeout = '5s';
alter table appointments
    drop constraint if exists appointments_duration_check,
    add constraint appointments_duration_check check (ended_at - started_at <= interval '24 hours') not valid;
commit;

begin;
set local lock_timeout = '5s';
alter table appointments validate constraint appointments_duration_check;
commit;
