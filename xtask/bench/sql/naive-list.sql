select user_id, organization_id, role from bench_callers where clerk_id = :clerk and organization_id = :organization \gset
begin;
select set_config('app.current_user_id', :user_id, true), set_config('app.current_org_id', :organization_id, true),
       set_config('app.current_role', :role, true);
select count(*) from appointments where deleted_at is null;
select id, uid, organization_id, title, status, started_at, ended_at, specialist_id, patient_id, specialty_id, user_id,
       cancelled_at, cancellation_reason, version, created_at, updated_at
from appointments where deleted_at is null order by started_at, id limit 25 offset 0;
commit;
