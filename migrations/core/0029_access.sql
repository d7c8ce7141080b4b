-- Telemetry believes the tokens that are issued here for as long as they live. Where what a token says of its
-- person has changed, it is told to refuse what was issued before: by a job that is written with the change,
-- whoever makes it. Organization 0 is all of them. Runs as the owner and above organizations: whose change it
-- was may be nobody who leaves jobs.
create function access_revoke(whose bigint, organization bigint) returns void
language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    entered constant text := coalesce(current_setting('app.current_org_id', true), '');
begin
    perform set_config('app.current_org_id', '', true);
    insert into jobs (id, organization_id, kind, payload, created_by, keep_days)
    values (gen_random_uuid(), organization, 'access_revoke', jsonb_build_object('user_id', whose), context_user(), 1);
    perform set_config('app.current_org_id', entered, true);
    -- The runners know of what their own process enqueued; of this, nobody does.
    perform pg_notify('identity_changed', 'job:access_revoke');
end $$;
revoke execute on function access_revoke(bigint, bigint) from public;

create function membership_revoke() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
    perform access_revoke(old.user_id, old.organization_id);
    return null;
end $$;
create trigger memberships_revoke_changed after update of role on memberships
    for each row when (old.role is distinct from new.role) execute function membership_revoke();
create trigger memberships_revoke_ended after delete on memberships
    for each row execute function membership_revoke();

-- An account that was closed, and somebody who runs the platform no more.
create function user_revoke() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
    perform access_revoke(old.id, 0);
    return null;
end $$;
create trigger users_revoke_changed after update of superadmin, deleted_at on users
    for each row when (old.superadmin and not new.superadmin or old.deleted_at is null and new.deleted_at is not null)
    execute function user_revoke();
create trigger users_revoke_deleted after delete on users for each row execute function user_revoke();

-- A token names the patient record of its person.
create trigger patients_revoke_changed after update of user_id, deleted_at on patients
    for each row when (old.user_id is not null and (new.user_id is distinct from old.user_id
                                                    or old.deleted_at is null and new.deleted_at is not null))
    execute function membership_revoke();
