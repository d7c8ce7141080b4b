-- What belongs to no organization (entries of the trail under organization 0) can be erased by itself,
-- when a clinic's erasure ends the account: so 0 is that, and every organization is null.
alter table privacy.erasures alter column organization_id drop not null;
update privacy.erasures set organization_id = null where organization_id = 0;

-- How far a job is follows from its times.
alter table privacy.erasures drop column status;

drop policy erasures_app on privacy.erasures;
drop policy erasures_owner on privacy.erasures;
create policy erasures_app on privacy.erasures for select to restartix_telemetry_app
    using ((organization_id is null
            or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
        and subject_kind = 'user'
        and subject_id = (select nullif(current_setting('app.current_user_id', true), '')::bigint));
create policy erasures_owner on privacy.erasures to restartix_telemetry
    using ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
    with check ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));

create or replace function privacy.erasure_running(organization bigint, subject bigint) returns boolean
language sql stable security definer set search_path = pg_catalog as $$
    select exists (
        select from privacy.erasures
        where (organization_id is null or organization_id = organization)
          and subject_kind = 'user' and subject_id = subject and not dry_run and finished_at is null)
$$;
