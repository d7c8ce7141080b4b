-- The n-th booking of a client: each of its ten calendars in turn, half an hour later every round. :n starts where the
-- last measurement can't have been.
\set person :offset + 1 + :client_id + :connections * (:n % 10)
\set slot :n / 10
\set n :n + 1
select user_id, organization_id, role from bench_callers where clerk_id = :clerk and organization_id = :organization \gset
begin;
select set_config('app.current_user_id', :user_id, true), set_config('app.current_org_id', :organization_id, true),
       set_config('app.current_role', :role, true);
select s.id as specialist, p.id as patient from specialists s, patients p
where s.id = :person and s.deleted_at is null and p.id = :person and p.deleted_at is null;
insert into appointments (organization_id, title, status, started_at, ended_at, block, specialist_id, patient_id, user_id)
select :organization_id::bigint, 'Follow-up', 'scheduled', t, t + interval '30 minutes', tstzrange(t, t + interval '30 minutes'),
       :person::bigint, :person::bigint, :user_id::bigint
from (select :base::timestamptz + :slot::double precision * interval '30 minutes' as t) as at
returning id as appointment_id \gset
insert into audit_log (id, occurred_at, organization_id, actor_kind, actor_user_id, action, entity_type, entity_id,
                       operation_id, request_id, outcome)
values (uuidv7(), now(), :organization_id, 'user', :user_id, 'created', 'appointment', :appointment_id,
        'appointment_create', 'bench', 'succeeded');
commit;
