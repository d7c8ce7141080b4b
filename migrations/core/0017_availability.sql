-- What an open slot is worked out from.

-- Bookings of the day that are over keep nobody out any more, but they count towards the most that may
-- begin on it: their block is empty.
create or replace function busy_blocks(specialist bigint, range_from timestamptz, range_to timestamptz, besides bigint default null)
returns table (block tstzrange, booked tstzrange)
language sql stable security definer set search_path = pg_catalog, public
begin atomic
    select a.block, tstzrange(a.started_at, a.ended_at)
    from appointments a
    where a.organization_id = context_organization() and a.specialist_id = specialist
      and a.status in ('held', 'scheduled', 'confirmed', 'in_progress') and a.deleted_at is null
      and (a.status <> 'held' or a.hold_expires_at > now())
      and a.block && tstzrange(range_from, range_to)
      and (besides is null or a.id <> besides)
    union all
    select 'empty'::tstzrange, tstzrange(a.started_at, a.ended_at)
    from appointments a
    where a.organization_id = context_organization() and a.specialist_id = specialist
      and a.status in ('completed', 'no_show') and a.deleted_at is null
      and a.started_at >= range_from and a.started_at < range_to;
end;

-- When a specialist can be booked and for what, and what is booked in the range: one row, or none when
-- there is no such specialist. Availability and booking both read this and nothing else, so that a slot
-- that is shown can be booked. Runs as who asks; only the time that others have booked comes from
-- busy_blocks. Without a template (`template` null) the specialist's own rules are what is offered; one
-- that is not there leaves `template_id` null.
create function specialist_offer(organization bigint, specialist bigint, template bigint, range_from timestamptz,
                                 range_to timestamptz, besides bigint default null)
returns table (timezone text, bookable boolean, slot_minutes integer, horizon_days integer, daily_cap integer,
               template_id bigint, duration_minutes integer, buffer_before_minutes integer, buffer_after_minutes integer,
               minimum_notice_minutes integer, specialty_id bigint, modality text, cancellation_cutoff_minutes integer,
               reschedule_cutoff_minutes integer,
               hours_weekdays smallint[], hours_starts time[], hours_ends time[],
               exception_kinds text[], exception_starts timestamp[], exception_ends timestamp[],
               block_starts timestamptz[], block_ends timestamptz[], booked_starts timestamptz[])
language sql stable
begin atomic
    select s.timezone, s.bookable, s.slot_minutes, s.horizon_days, s.daily_cap,
           t.id, coalesce(t.duration_minutes, s.slot_minutes),
           coalesce(t.buffer_before_minutes, s.buffer_before_minutes),
           coalesce(t.buffer_after_minutes, s.buffer_after_minutes),
           coalesce(t.minimum_notice_minutes, s.minimum_notice_minutes),
           t.specialty_id, coalesce(t.modality, 'in_person'),
           coalesce(t.cancellation_cutoff_minutes, 0), coalesce(t.reschedule_cutoff_minutes, 0),
           h.weekdays, h.starts, h.ends, x.kinds, x.starts, x.ends, b.block_starts, b.block_ends, b.booked_starts
    from specialists s
    left join appointment_templates t
        on t.organization_id = s.organization_id and t.id = specialist_offer.template and t.archived_at is null
    cross join lateral (
        select coalesce(array_agg(w.weekday), '{}') as weekdays, coalesce(array_agg(w.starts_at), '{}') as starts,
               coalesce(array_agg(w.ends_at), '{}') as ends
        from specialist_hours w where w.organization_id = s.organization_id and w.specialist_id = s.id
    ) h
    cross join lateral (
        -- local times and UTC are less than a day apart
        select coalesce(array_agg(e.kind), '{}') as kinds, coalesce(array_agg(e.starts_at), '{}') as starts,
               coalesce(array_agg(e.ends_at), '{}') as ends
        from specialist_exceptions e
        where e.organization_id = s.organization_id and e.specialist_id = s.id
          and e.ends_at > range_from at time zone 'UTC' - interval '1 day'
          and e.starts_at < range_to at time zone 'UTC' + interval '1 day'
    ) x
    cross join lateral (
        select coalesce(array_agg(coalesce(lower(y.block), lower(y.booked))), '{}') as block_starts,
               coalesce(array_agg(coalesce(upper(y.block), lower(y.booked))), '{}') as block_ends,
               coalesce(array_agg(lower(y.booked)), '{}') as booked_starts
        from busy_blocks(s.id, range_from, range_to, besides) y
    ) b
    where s.organization_id = organization and s.id = specialist_offer.specialist and s.deleted_at is null;
end;
