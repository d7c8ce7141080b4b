-- Run as the superuser: appointments `from` to `to - 1` of organization 1. A larger clinic is an older one: each day
-- has 200 appointments, the latest day is 35 days ahead, and each following appointment lies further back. Foreign keys
-- and triggers are skipped, which is what takes longest.
set session_replication_role = replica;

insert into appointments (organization_id, status, started_at, ended_at, block, specialist_id, patient_id, user_id)
select 1,
       case when k % 20 = 0 then 'cancelled'
            when start > now() then 'scheduled'
            when k % 1000 = 1 then 'no_show'
            else 'completed' end,
       start, start + interval '30 minutes', tstzrange(start, start + interval '30 minutes'),
       1 + k % :specialists, 1 + (k::bigint * 7919) % :patients, 1
from generate_series(:from, :to - 1) k,
     lateral (select date_trunc('day', now()) + interval '35 days' - k / 200 * interval '1 day' + interval '8 hours'
                     + k % 200 / :specialists * interval '1 hour' as start) t
order by k;
