-- no-transaction
-- Indexes that lists of any length are read and counted by without visiting the table: each is in the order of the list
-- and holds the columns that its filters and the policy compare. They take the place of `appointments_list_idx`,
-- `appointments_count_idx` and `appointments_specialist_idx`, so that a booking writes as many indexes as before
-- (decision 45).
--
-- Each step is a transaction of its own, so that writes wait for one index at a time, and can be
-- repeated, also when it has waited in vain for the table.
begin;
set local lock_timeout = '5s';
create index if not exists appointments_period_idx on appointments (organization_id, started_at, id)
    include (ended_at, specialist_id, patient_id, status) where deleted_at is null;
commit;

begin;
set local lock_timeout = '5s';
create index if not exists appointments_status_idx on appointments (organization_id, status, started_at, id)
    include (ended_at, specialist_id, patient_id) where deleted_at is null;
commit;

begin;
set local lock_timeout = '5s';
create index if not exists appointments_specialist_period_idx on appointments (organization_id, specialist_id, started_at, id)
    include (ended_at, patient_id, status) where deleted_at is null;
commit;

begin;
set local lock_timeout = '5s';
drop index if exists appointments_list_idx, appointments_count_idx, appointments_specialist_idx;
commit;

-- The list of patients, newest first, which sorted every patient of the organization.
begin;
set local lock_timeout = '5s';
create index if not exists patients_newest_idx on patients (organization_id, created_at desc, name_sort, id)
    where deleted_at is null;
commit;
