-- Within an organization, too, a context reaches what its role is for: the trail and what is derived from it are
-- its administrators', decisions on privacy are the person's own. tests/api/rls_grid.txt shows all of it. People of
-- no role, and those above organizations, have nothing to look for on the application role: superadmins and jobs
-- go by the owner.

alter policy audit_logs_app_read on audit.audit_logs
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and (select current_setting('app.current_role', true) = 'admin'));
-- Who reads is who the context says, and nobody stands behind it.
alter policy audit_logs_app_add on audit.audit_logs
    with check (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and (select current_setting('app.current_role', true) = 'admin')
        and actor_user_id = (select nullif(current_setting('app.current_user_id', true), '')::bigint)
        and actor_kind = 'user' and impersonator_user_id is null and actor_api_key_id is null
        and action = 'read' and entity_type in ('audit_log', 'security_event'));
drop policy audit_personal_app on audit.audit_personal;
create policy audit_personal_app_read on audit.audit_personal for select to restartix_telemetry_app
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and (select current_setting('app.current_role', true) = 'admin'));
create policy audit_personal_app_add on audit.audit_personal for insert to restartix_telemetry_app
    with check (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and (select current_setting('app.current_role', true) = 'admin'));

-- An address is where its reader is. Entry and values come in one statement, so that no policy on the one sees
-- the other.
create function audit.personal_own() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
    if not exists (select from audit.audit_logs
                   where id = new.audit_id and organization_id = new.organization_id
                     and actor_user_id = nullif(current_setting('app.current_user_id', true), '')::bigint
                     and received_at = now()) then
        raise exception 'the entry is another''s, or of another moment' using errcode = 'insufficient_privilege';
    end if;
    return null;
end
$$;
create trigger audit_personal_own after insert on audit.audit_personal
    for each row when (current_user = 'restartix_telemetry_app') execute function audit.personal_own();

alter policy audit_pending_app on audit.audit_pending
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and (select current_setting('app.current_role', true) = 'admin'));
alter policy audit_chain_app on audit.audit_chain
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and (select current_setting('app.current_role', true) = 'admin'));
alter policy audit_heads_app on audit.audit_heads
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and (select current_setting('app.current_role', true) = 'admin'));
alter policy audit_starts_app on audit.audit_starts
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and (select current_setting('app.current_role', true) = 'admin'));
alter policy sightings_app on security.sightings
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and (select current_setting('app.current_role', true) = 'admin'));
alter policy security_events_app on security.security_events
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and (select current_setting('app.current_role', true) = 'admin'));

-- Own, as before; and of nobody whose context has no role here.
create policy consents_app_roles on privacy.consents as restrictive to restartix_telemetry_app
    using ((select current_setting('app.current_role', true) in ('admin', 'specialist', 'staff', 'patient')));
create policy exclusions_app_roles on privacy.exclusions as restrictive to restartix_telemetry_app
    using ((select current_setting('app.current_role', true) in ('admin', 'specialist', 'staff', 'patient')));
create policy erasures_app_roles on privacy.erasures as restrictive to restartix_telemetry_app
    using ((select current_setting('app.current_role', true) in ('admin', 'specialist', 'staff', 'patient')));

-- Who asked for an exclusion is who the context says.
alter policy exclusions_app_add on privacy.exclusions
    with check (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and created_by = (select nullif(current_setting('app.current_user_id', true), '')::bigint)
        and case source
            when 'person' then subject_id = (select nullif(current_setting('app.current_user_id', true), '')::bigint)
            else (select current_setting('app.current_role', true)) = 'admin' end);

-- Of others than oneself, only administrators learn that an erasure is under way, and only in their organization.
create or replace function privacy.erasure_running(organization bigint, subject bigint) returns boolean
language sql stable security definer set search_path = pg_catalog as $$
    select exists (
        select from privacy.erasures
        where (organization_id is null or organization_id = organization)
          and subject_kind = 'user' and subject_id = subject and not dry_run and finished_at is null
          and (session_user = 'restartix_telemetry'
               or organization = nullif(current_setting('app.current_org_id', true), '')::bigint
                  and (subject = nullif(current_setting('app.current_user_id', true), '')::bigint
                       or current_setting('app.current_role', true) = 'admin')))
$$;
