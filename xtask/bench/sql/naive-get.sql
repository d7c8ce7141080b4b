-- Organization 1 has every other id.
\set id :first + 2 * random(0, :appointments - 1)
select user_id, organization_id, role from bench_callers where clerk_id = :clerk and organization_id = :organization \gset
begin;
select set_config('app.current_user_id', :user_id, true), set_config('app.current_org_id', :organization_id, true),
       set_config('app.current_role', :role, true);
select id, uid, organization_id, title, status, started_at, ended_at, specialist_id, patient_id, specialty_id, user_id,
       cancelled_at, cancellation_reason, version, created_at, updated_at
from appointments where id = :id and deleted_at is null;
commit;
