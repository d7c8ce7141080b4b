-- Data of the measurements, written as the owner without a context. The organizations 1 and 2 have `appointments` each,
-- in alternating rows as in a shared installation; 1 is read, 2 is ballast. 3 and 4 start empty: the server books in 3,
-- pgbench in 4, so that neither adds rows to the organization of the other.
begin;

-- Numbered within their organization: specialist k and patient k of organization o can be computed.
insert into specialists (organization_id, name, timezone)
select o, 'Specialist ' || k, 'Europe/Berlin'
from generate_series(1, :organizations) o, generate_series(1, :people) k
order by o, k;

-- Nothing here opens a patient's encrypted columns, so the keys need not be real.
insert into data_keys (id, organization_id, wrapped)
select gen_random_uuid(), o, '\x00' from generate_series(1, :organizations) o;

insert into patients (organization_id, uid, data_key_id, first_name, last_name)
select o, gen_random_uuid(), d.id, 'Patient', 'Number ' || k
from generate_series(1, :organizations) o join data_keys d on d.organization_id = o, generate_series(1, :people) k
order by o, k;

-- Appointment k is the (k / people)-th of its specialist and of its patient, so none overlap.
insert into appointments (organization_id, title, status, started_at, ended_at, block, specialist_id, patient_id, user_id)
select o, 'Follow-up', case when k % 20 = 0 then 'cancelled' else 'scheduled' end, start, start + interval '30 minutes',
       tstzrange(start, start + interval '30 minutes'), (o - 1) * :people + 1 + k % :people,
       (o - 1) * :people + 1 + k % :people, o
from generate_series(0, :appointments - 1) k, generate_series(1, 2) o,
     lateral (select date_trunc('day', now()) - interval '30 days' + (k / :people) * interval '45 minutes'
                     + (k % :people) * interval '1 minute' as start) t
order by k, o;

-- The naive server's look-up. Row-level security hides people from the application role until it has a context, so a
-- straightforward server would read as the owner; the view does the same on pgbench's connection.
create view bench_callers as
select u.clerk_id, u.id as user_id, m.organization_id, m.role
from users u join memberships m on m.user_id = u.id;
grant select on bench_callers to restartix_app;

-- The naive booking appends its audit row by an INSERT. The service has no such right: it appends by a function that
-- checks the actor, and pays for that.
create policy bench_append on audit_log for insert to restartix_app
    with check (organization_id = (select context_organization()));
grant insert on audit_log to restartix_app;

commit;

-- As autovacuum would have left them: with statistics, and with a visibility map for index-only scans.
vacuum (analyze) organizations, users, memberships, specialists, data_keys, patients, appointments;
