-- A person that was entered twice: one record is merged into the other one (decision 55).
set local lock_timeout = '5s';

-- The owner of everything that was made for a record that was merged: one row for each such record. Rows that never change
-- keep naming the record, and find their patient here. Those whose patient a constraint, a policy or an index of a hot
-- read compares carry it themselves, and patient_merge() rewrites it. Nothing but patient_merge() writes owners.
create table patient_merges (
    organization_id bigint not null,
    -- the record that was merged
    patient_id bigint not null,
    -- the record that it belongs to, which is none that was merged itself: a later merge of it changes this
    owner_id bigint not null,
    -- key of the merged record, which opens what was sealed for it
    data_key_id uuid not null,
    merged_at timestamptz not null default now(),
    primary key (organization_id, patient_id),
    constraint patient_merges_other_check check (owner_id <> patient_id),
    constraint patient_merges_patient_fkey foreign key (organization_id, patient_id)
        references patients (organization_id, id),
    constraint patient_merges_owner_fkey foreign key (organization_id, owner_id)
        references patients (organization_id, id),
    constraint patient_merges_data_key_fkey foreign key (organization_id, data_key_id)
        references data_keys (organization_id, id)
);
create index patient_merges_owner_idx on patient_merges (organization_id, owner_id);
create index patient_merges_data_key_idx on patient_merges (organization_id, data_key_id);
select tenant_table('patient_merges', 'select',
                    reads => '(select context_role() in (''admin'', ''specialist'', ''staff'', ''api_key''))
                              or (select context_role() = ''patient'') and owner_id = (select context_patient())',
                    writes => 'false');

-- As before; who reaches a patient also opens what was sealed for the records that were merged into it.
drop policy data_keys_read on data_keys;
create policy data_keys_read on data_keys for select to restartix_app
    using (organization_id = (select context_organization())
           and ((select context_role() in ('admin', 'staff', 'api_key'))
                or exists (select from patients p
                           where p.organization_id = data_keys.organization_id and p.data_key_id = data_keys.id)
                or exists (select from patient_merges m
                           join patients p on p.organization_id = m.organization_id and p.id = m.owner_id
                           where m.organization_id = data_keys.organization_id and m.data_key_id = data_keys.id)));

-- Moves the profile of a merged record, and the profiles of these appointments of it, to the surviving patient. Values stay
-- sealed as they are. Where both have a value of a field, or the surviving patient has removed it, that one stays, and
-- the other one stays with the merged record. Part of patient_merge().
create function patient_profiles_merge(organization bigint, surviving bigint, merged bigint, appointment_ids bigint[])
returns void language plpgsql volatile set search_path = pg_catalog, public as $$
declare
    merge_version bigint;
begin
    -- Waits for the writes that have begun; those that come later find the record merged.
    perform r.id from profiles r
    where r.organization_id = organization and r.entity = 'patient' and r.owner_id = merged
    for update;
    if found then
        insert into profiles as r (organization_id, entity, patient_id) values (organization, 'patient', surviving)
        on conflict (organization_id, entity, owner_id) do update set version = r.version + 1, updated_at = now()
        returning r.version into merge_version;
        update profile_values v set patient_id = surviving, changed_in = merge_version
        where v.organization_id = organization and v.entity = 'patient' and v.owner_id = merged
          and not exists (select from profile_values s
                          where s.organization_id = organization and s.entity = 'patient' and s.owner_id = surviving
                            and s.custom_field_id = v.custom_field_id);
    end if;
    -- Profiles of appointments alone name one. No condition that another index serves: while statistics are old, that one
    -- seems as short a way.
    update profile_values v set patient_id = surviving
    where v.appointment_id is not null and v.appointment_id = any (appointment_ids);
end $$;
revoke execute on function patient_profiles_merge(bigint, bigint, bigint, bigint[]) from public;

-- As before; a change of the patient by patient_merge() is none that a calendar shows. Updates that keep the patient run
-- no query.
create or replace function appointment_follow() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    -- Another specialist at the same time is no later deadline.
    if new.started_at <> old.started_at then
        new.cutoff_started_at := case when context_role() = 'patient' then
            least(coalesce(old.cutoff_started_at, old.started_at), new.started_at) end;
    end if;
    new.sequence := old.sequence;
    if old.deleted_at is null and appointment_calendar_status(old.status) is not null then
        if (appointment_calendar_status(new.status), new.started_at, new.ended_at, new.specialist_id, new.specialty_id,
            new.modality, new.deleted_at)
           is distinct from
           (appointment_calendar_status(old.status), old.started_at, old.ended_at, old.specialist_id, old.specialty_id,
            old.modality, old.deleted_at) then
            new.sequence := old.sequence + 1;
        elsif new.patient_id <> old.patient_id then
            if not exists (select from patient_merges m
                           where m.organization_id = new.organization_id and m.patient_id = old.patient_id
                             and m.owner_id = new.patient_id) then
                new.sequence := old.sequence + 1;
            end if;
        end if;
    end if;
    return new;
end $$;

-- As before; an appointment that patient_merge() moves leaves nobody's calendar.
create or replace function appointment_depart() returns trigger
    language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    deleted constant boolean := new.deleted_at is not null;
begin
    if old.deleted_at is not null or appointment_calendar_status(old.status) is null
       or old.started_at not between now() - interval '90 days' and now() + interval '366 days' then
        return null;
    end if;
    insert into calendar_departures (organization_id, appointment_uid, specialist_id, patient_id, specialty_id, modality,
                                     started_at, ended_at, sequence, appointment_created_at)
    select old.organization_id, old.uid, d.specialist_id, d.patient_id, old.specialty_id, old.modality, old.started_at,
           old.ended_at, new.sequence, old.created_at
    from (values (old.specialist_id, null::bigint, deleted or new.specialist_id <> old.specialist_id),
                 (null, old.patient_id,
                  deleted
                  or new.patient_id <> old.patient_id
                     and not exists (select from patient_merges m
                                     where m.organization_id = new.organization_id and m.patient_id = old.patient_id
                                       and m.owner_id = new.patient_id)),
                 (null, null, deleted)) as d (specialist_id, patient_id, departs)
    where d.departs;
    return null;
end $$;

-- Merges a patient into another one of the context's organization, for its administrators. Returns what has changed, by
-- kind and id, or, with a kind that begins with `not_`, why nothing may: the caller then rolls back.
--
--   not_there     id is no patient
--   not_current   id has the version `other` now
--   not_alone     id has been merged into `other` before
--   not_erasing   an erasure of one of the two is under way
--   not_two_users both have a login
--   not_at_once   the appointment id of the surviving patient overlaps the appointment `other` of the merged one
--   known         id has been merged into `other` before, at `since`: as it was wanted
--
-- Locks in the order that everybody keeps: the calendars of specialists and patients as bookings do, the membership as
-- its end does, invitations before the records that they name, entries of the waitlist before their offers, appointments
-- before their series and their patients. Rewriting an appointment enters it into both constraints on overlaps again, so
-- its specialist's calendar is locked, too.
create function patient_merge(surviving bigint, merged bigint, surviving_version bigint, merged_version bigint)
returns table (kind text, id bigint, other bigint, since timestamptz)
language plpgsql volatile security definer set search_path = pg_catalog, public as $$
declare
    organization constant bigint := context_organization();
    occupying constant text[] := '{held,scheduled,confirmed,in_progress}';
    locked bigint[];
    place bigint;
    login bigint;
    surviving_login bigint;
    merged_login bigint;
    current_version bigint;
    owner bigint;
    owned_since timestamptz;
    appointment_ids bigint[];
    moving bigint[];
    duplicates bigint[];
begin
    if organization is null or context_impersonator() is not null
       or coalesce(context_role(), '') not in ('admin', 'superadmin') then
        raise exception 'patients are merged by an administrator of their organization'
            using errcode = 'insufficient_privilege';
    end if;
    if surviving is null or merged is null or surviving = merged then
        raise exception 'a patient is merged into another one' using errcode = 'invalid_parameter_value';
    end if;

    locked := array(
        select distinct a.specialist_id from appointments a
        where a.organization_id = organization and a.patient_id in (surviving, merged) and a.deleted_at is null
          and coalesce(a.status = any (occupying), false)
        order by a.specialist_id);
    foreach place in array locked loop
        perform pg_advisory_xact_lock(hashtextextended('specialist:' || organization || ':' || place, 0));
    end loop;
    foreach place in array array[least(surviving, merged), greatest(surviving, merged)] loop
        perform pg_advisory_xact_lock(hashtextextended('patient:' || organization || ':' || place, 0));
    end loop;
    -- From here on, nothing is booked for either of the two.
    if exists (select from appointments a
               where a.organization_id = organization and a.patient_id in (surviving, merged) and a.deleted_at is null
                 and coalesce(a.status = any (occupying), false) and not a.specialist_id = any (locked)) then
        raise exception 'an appointment was booked in the meantime' using errcode = 'serialization_failure';
    end if;
    select p.user_id into login from patients p where p.organization_id = organization and p.id = merged;
    perform m.user_id from memberships m where m.organization_id = organization and m.user_id = login for share;
    perform i.id from invitations i
    where i.organization_id = organization and i.patient_id = merged and i.status = 'pending'
    order by i.id for update;
    perform w.id from waitlist_entries w
    where w.organization_id = organization and w.patient_id in (surviving, merged) and w.deleted_at is null
    order by w.id for update;
    appointment_ids := array(
        select a.id from appointments a
        where a.organization_id = organization and a.patient_id in (surviving, merged) and a.deleted_at is null
          and (a.patient_id = merged or coalesce(a.status = any (occupying), false))
        order by a.id for update);
    perform p.id from patients p
    where p.organization_id = organization and p.id in (surviving, merged)
    order by p.id for no key update;

    select p.version, p.user_id into current_version, surviving_login
    from patients p where p.organization_id = organization and p.id = surviving and p.deleted_at is null;
    if not found then
        return query select 'not_there', surviving, null::bigint, null::timestamptz;
        return;
    end if;
    select m.owner_id, m.merged_at into owner, owned_since
    from patient_merges m where m.organization_id = organization and m.patient_id = merged;
    if found then
        return query select case when owner = surviving then 'known' else 'not_alone' end, merged, owner, owned_since;
        return;
    end if;
    if current_version is distinct from surviving_version then
        return query select 'not_current', surviving, current_version, null::timestamptz;
        return;
    end if;
    select p.version, p.user_id into current_version, merged_login
    from patients p where p.organization_id = organization and p.id = merged and p.deleted_at is null;
    if not found then
        return query select 'not_there', merged, null::bigint, null::timestamptz;
        return;
    end if;
    if current_version is distinct from merged_version then
        return query select 'not_current', merged, current_version, null::timestamptz;
        return;
    end if;
    if merged_login is distinct from login then
        raise exception 'the patient was linked in the meantime' using errcode = 'serialization_failure';
    end if;
    if exists (
        select from jobs j
        where j.organization_id = organization and j.kind = 'gdpr_erasure' and j.state in ('queued', 'running')
          and j.key = any (array(
              select how.mode || whom.name
              from (values ('erase'), ('anonymize')) as how (mode),
                   (values (':patient:' || surviving), (':patient:' || merged), (':user:' || surviving_login),
                           (':user:' || merged_login)) as whom (name)
              where whom.name is not null)))
    then
        return query select 'not_erasing', merged, null::bigint, null::timestamptz;
        return;
    end if;
    if surviving_login is not null and merged_login is not null then
        return query select 'not_two_users', merged, null::bigint, null::timestamptz;
        return;
    end if;

    -- A constraint can't see now(): lapsed holds give way.
    return query
        update appointments a set status = 'expired', holder = null, version = a.version + 1, updated_at = now()
        where a.id = any (appointment_ids) and a.status = 'held' and a.hold_expires_at <= now()
        returning 'hold_expired', a.id, a.specialist_id, null::timestamptz;
    -- The constraint refuses them as well, but names no appointment.
    return query
        with busy as materialized (
            select a.id, a.patient_id, a.block from appointments a
            where a.id = any (appointment_ids) and a.status = any (occupying))
        select 'not_at_once', s.id, m.id, null::timestamptz
        from busy s join busy m on m.patient_id = merged and m.block && s.block
        where s.patient_id = surviving
        order by s.id, m.id limit 100;
    if found then
        return;
    end if;

    -- The owner comes first: triggers on appointments ask for it.
    update patient_merges m set owner_id = surviving where m.organization_id = organization and m.owner_id = merged;
    insert into patient_merges (organization_id, patient_id, owner_id, data_key_id)
    select organization, merged, surviving, p.data_key_id from patients p
    where p.organization_id = organization and p.id = merged;

    -- Deleted appointments stay with the merged record, to which no index leads, unless they belong to a series.
    moving := array(
        select a.id from appointments a
        where a.organization_id = organization and a.patient_id = merged and a.deleted_at is null
        union
        select a.id from appointment_series s
        join appointments a on a.organization_id = s.organization_id and a.appointment_series_id = s.id
        where s.organization_id = organization and s.patient_id = merged);
    -- Before the appointments: one that is given to another patient loses the values of its profile.
    perform patient_profiles_merge(organization, surviving, merged, moving);
    -- In one statement: an appointment and its series name the same patient.
    return query
        with series as (
            update appointment_series s set patient_id = surviving, version = s.version + 1, updated_at = now()
            where s.organization_id = organization and s.patient_id = merged
            returning s.id
        ), moved as (
            update appointments a set patient_id = surviving, version = a.version + 1, updated_at = now()
            where a.id = any (moving)
            returning a.id, a.deleted_at
        )
        select 'appointment', m.id, null::bigint, null::timestamptz from moved m where m.deleted_at is null
        union all
        select 'series', s.id, null::bigint, null::timestamptz from series s;
    update appointment_reschedules r set patient_id = surviving
    where r.organization_id = organization and r.appointment_id = any (moving) and r.patient_id = merged;
    update video_rooms r set patient_id = surviving where r.organization_id = organization and r.patient_id = merged;
    update calendar_departures d set patient_id = surviving
    where d.organization_id = organization and d.patient_id = merged;

    return query
        update waitlist_entries w set patient_id = surviving, updated_at = now()
        where w.organization_id = organization and w.patient_id = merged and w.deleted_at is null
        returning 'waitlist_entry', w.id, null::bigint, null::timestamptz;
    -- Of open entries for the same, the one with an offer stays, else the one that has waited longest.
    duplicates := array(
        select d.id
        from (select w.id, row_number() over (partition by w.specialist_id, w.template_id
                                              order by w.status = 'offered' desc, w.id) as rank
              from waitlist_standing() w
              where w.organization_id = organization and w.patient_id = surviving
                and w.status in ('waiting', 'offered')) d
        where d.rank > 1);
    return query
        update waitlist_entries w set deleted_at = now(), updated_at = now()
        where w.id = any (duplicates)
        returning 'waitlist_entry_deleted', w.id, null::bigint, null::timestamptz;
    return query
        update appointments a set status = 'expired', holder = null, version = a.version + 1, updated_at = now()
        where a.organization_id = organization and a.waitlist_entry_id = any (duplicates) and a.status = 'held'
          and a.deleted_at is null
        returning 'offer_released', a.id, a.specialist_id, null::timestamptz;

    -- Nobody gets the surviving record by an invitation to the other one.
    return query
        update invitations i set status = 'revoked', ended_at = now(), updated_at = now()
        where i.organization_id = organization and i.patient_id = merged and i.status = 'pending'
        returning 'invitation', i.id, null::bigint, null::timestamptz;
    return query
        update impersonations i set revoked_at = now()
        where i.organization_id = organization and i.patient_id = merged and i.revoked_at is null and i.expires_at > now()
        returning 'impersonation', i.id, null::bigint, null::timestamptz;

    update patients p set user_id = null, deleted_at = now(), version = p.version + 1, updated_at = now()
    where p.organization_id = organization and p.id = merged;
    if merged_login is not null then
        update patients p set user_id = merged_login, version = p.version + 1, updated_at = now()
        where p.organization_id = organization and p.id = surviving;
        return query select 'user', merged_login, null::bigint, null::timestamptz;
    end if;
    return query select 'merged', merged, surviving, now();
end $$;
revoke execute on function patient_merge(bigint, bigint, bigint, bigint) from public;
grant execute on function patient_merge(bigint, bigint, bigint, bigint) to restartix_app;
