-- Rights end with the role that they were given for. A member has the record of its role and no other: what
-- a context says of a record counts only together with the role. Every policy and every definer's function
-- asks these two, so each is bound by that.
create or replace function context_patient() returns bigint language sql stable parallel safe
    return case when context_role() = 'patient' then nullif(current_setting('app.current_patient_id', true), '')::bigint end;

create or replace function context_specialist() returns bigint language sql stable parallel safe
    return case when context_role() = 'specialist'
                then nullif(current_setting('app.current_specialist_id', true), '')::bigint end;

-- The session of the administrator's that an impersonation was begun from, as the identity provider calls it.
-- It is asked for with each request: who signed out acts as nobody any more. Null in what an earlier version
-- began, which ends within half an hour.
alter table impersonations add column session_id text check (length(session_id) between 1 and 200);

-- What a member has as what it was and may not have as what it is next (`next_role`; null for nothing):
-- its calendar feed, what it holds, the impersonations of it and by it, and the login of the record that
-- belongs to another role. API keys are the organization's and stay. Gives what ended, and whose time is
-- free again. Not for the application: see member_capacity_end.
create function capacity_end(organization bigint, member bigint, next_role text)
returns table (kind text, id bigint, specialist_id bigint)
language plpgsql volatile security definer set search_path = pg_catalog, public as $$
begin
    return query
        update calendar_feeds f set revoked_at = now()
        where f.organization_id = organization and f.user_id = member and f.revoked_at is null
        returning 'calendar_feed', f.id, null::bigint;
    return query
        update impersonations i set revoked_at = now()
        where i.organization_id = organization and member in (i.impersonator_user_id, i.patient_user_id)
          and i.revoked_at is null and i.expires_at > now()
        returning 'impersonation', i.id, null::bigint;
    return query
        update appointments a
        set status = 'expired', holder = null, version = a.version + 1, updated_at = now()
        where a.id in (select h.id from appointments h
                       where h.organization_id = organization and h.status = 'held' and h.holder = 'user:' || member
                       order by h.id
                       for update)
        returning 'appointment', a.id, a.specialist_id;
    return query
        update specialists s set user_id = null, updated_at = now()
        where s.organization_id = organization and s.user_id = member and next_role is distinct from 'specialist'
        returning 'specialist', s.id, null::bigint;
    return query
        update patients p set user_id = null, version = p.version + 1, updated_at = now()
        where p.organization_id = organization and p.user_id = member and next_role is distinct from 'patient'
        returning 'patient', p.id, null::bigint;
end $$;
revoke execute on function capacity_end(bigint, bigint, text) from public;

-- Whoever writes to memberships, through which program ever, rights end.
create function membership_capacity_end() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
    if tg_op = 'DELETE' then
        perform capacity_end(old.organization_id, old.user_id, null);
        return old;
    end if;
    perform capacity_end(old.organization_id, old.user_id, new.role);
    return null;
end $$;
create trigger memberships_capacity_changed after update of role on memberships
    for each row when (old.role <> new.role) execute function membership_capacity_end();
create trigger memberships_capacity_ended before delete on memberships
    for each row execute function membership_capacity_end();

-- For an administrator's change of a member, before it is written: ends the same, and says what that was, for
-- the trail and for those who wait for a slot. Nothing ends when the role stays.
create function member_capacity_end(member bigint, next_role text)
returns table (kind text, id bigint, specialist_id bigint)
language sql volatile security definer set search_path = pg_catalog, public
begin atomic
    select e.kind, e.id, e.specialist_id
    from memberships m
    cross join lateral capacity_end(m.organization_id, m.user_id, next_role) e
    where m.organization_id = context_organization() and context_role() in ('admin', 'superadmin')
      and m.user_id = member and m.role is distinct from next_role;
end;
revoke execute on function member_capacity_end(bigint, text) from public;
grant execute on function member_capacity_end(bigint, text) to restartix_app;

-- Who ran the platform, or is nobody any more, acts as nobody.
create function user_capacity_end() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
    update impersonations set revoked_at = now()
    where new.id in (impersonator_user_id, patient_user_id) and revoked_at is null and expires_at > now();
    return null;
end $$;
create trigger users_capacity_ended after update of superadmin, deleted_at on users
    for each row when (old.superadmin and not new.superadmin or old.deleted_at is null and new.deleted_at is not null)
    execute function user_capacity_end();
