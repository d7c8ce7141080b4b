-- Functions that read in proportion to what they return, also with a plan that was made while the clinic was small
-- (decision 50).

-- As before. Row-level security allows no index condition on blocks, whose comparison is not leakproof, so the index over
-- them read every appointment of the specialist. An appointment lasts a day at most, and its block begins and ends within
-- four hours of it, so the bounds of `started_at` leave nothing out, and appointments_specialist_period_idx ends at them.
-- `coalesce` keeps out the indexes that hold only some statuses and no start.
create or replace function busy_blocks(specialist bigint, range_from timestamptz, range_to timestamptz, besides bigint default null)
returns table (block tstzrange, booked tstzrange)
language sql stable security definer set search_path = pg_catalog, public
begin atomic
    select a.block, tstzrange(a.started_at, a.ended_at)
    from appointments a
    where a.organization_id = context_organization() and a.specialist_id = specialist
      and coalesce(a.status in ('held', 'scheduled', 'confirmed', 'in_progress'), false) and a.deleted_at is null
      and (a.status <> 'held' or a.hold_expires_at > now())
      and a.started_at > range_from - interval '2 days' and a.started_at < range_to + interval '2 days'
      and a.block && tstzrange(range_from, range_to)
      and (besides is null or a.id <> besides)
    union all
    select 'empty'::tstzrange, tstzrange(a.started_at, a.ended_at)
    from appointments a
    where a.organization_id = context_organization() and a.specialist_id = specialist
      and coalesce(a.status in ('completed', 'no_show'), false) and a.deleted_at is null
      and a.started_at >= range_from and a.started_at < range_to;
end;

-- As before, with the same bounds, for appointments_patient_idx.
create or replace function patient_blocks(patient bigint, range_from timestamptz, range_to timestamptz) returns setof tstzrange
language sql stable security definer set search_path = pg_catalog, public
begin atomic
    select a.block from appointments a
    where a.organization_id = context_organization() and a.patient_id = patient
      and (context_role() is distinct from 'patient' or patient = context_patient())
      and coalesce(a.status in ('held', 'scheduled', 'confirmed', 'in_progress'), false) and a.deleted_at is null
      and (a.status <> 'held' or a.hold_expires_at > now())
      and a.started_at > range_from - interval '2 days' and a.started_at < range_to + interval '2 days'
      and a.block && tstzrange(range_from, range_to);
end;

-- As before, with the ids of the holds in an array: joined with what it locks, the update could get a plan that reads the
-- table once for each of its rows.
create or replace function capacity_end(organization bigint, member bigint, next_role text)
returns table (kind text, id bigint, specialist_id bigint)
language plpgsql volatile security definer set search_path = pg_catalog, public set enable_seqscan = off as $$
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
        where a.id = any(array(select h.id from appointments h
                               where h.organization_id = organization and h.status = 'held' and h.holder = 'user:' || member
                               order by h.id
                               for update))
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

-- The records of a member: unlinked when its membership changes or ends, by capacity_end and by the foreign key. Both look at
-- deleted records, too, which patients_user_key leaves out, so they read every patient of the organization. Few patients are
-- members, so that the index has few entries.
create index patients_member_idx on patients (organization_id, user_id) where user_id is not null;
