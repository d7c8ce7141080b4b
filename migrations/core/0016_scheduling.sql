-- Scheduling: when specialists can be booked, what can be booked, and what became of a booking.

-- Wall-clock rules of a specialist, all in its own zone; durations in minutes.
alter table specialists
    -- the grid that slots start on, and how long one lasts when no template says so
    add column slot_minutes integer not null default 30 check (slot_minutes between 5 and 480),
    add column buffer_before_minutes integer not null default 0 check (buffer_before_minutes between 0 and 240),
    add column buffer_after_minutes integer not null default 0 check (buffer_after_minutes between 0 and 240),
    -- how long before its beginning a slot can last be booked
    add column minimum_notice_minutes integer not null default 0 check (minimum_notice_minutes between 0 and 43200),
    -- how many days ahead slots are offered
    add column horizon_days integer not null default 90 check (horizon_days between 1 and 366),
    -- most bookings that begin on one local day; null for as many as fit
    add column daily_cap integer check (daily_cap between 1 and 200),
    add column schedule_version bigint not null default 1;

create table specialist_hours (
    organization_id bigint not null,
    specialist_id bigint not null,
    -- ISO 8601: 1 is Monday
    weekday smallint not null check (weekday between 1 and 7),
    starts_at time not null,
    -- at or before starts_at it is of the next day; so 00:00 is the next midnight
    ends_at time not null,
    primary key (organization_id, specialist_id, weekday, starts_at),
    constraint specialist_hours_specialist_fkey foreign key (organization_id, specialist_id)
        references specialists (organization_id, id)
);

create table specialist_exceptions (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    specialist_id bigint not null,
    -- available adds to the weekly hours, unavailable takes away, and wins
    kind text not null check (kind in ('available', 'unavailable')),
    -- local time of the specialist, as it is said: "away on the 24th"
    starts_at timestamp not null,
    ends_at timestamp not null,
    created_at timestamptz not null default now(),
    constraint specialist_exceptions_period_check check (ends_at > starts_at),
    constraint specialist_exceptions_specialist_fkey foreign key (organization_id, specialist_id)
        references specialists (organization_id, id)
);
create index specialist_exceptions_specialist_idx on specialist_exceptions (organization_id, specialist_id, ends_at);

create table appointment_templates (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    name text not null check (length(name) between 1 and 200),
    slug text not null check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 100),
    description text not null default '',
    duration_minutes integer not null check (duration_minutes between 5 and 1440),
    -- null: as the specialist has it
    buffer_before_minutes integer check (buffer_before_minutes between 0 and 240),
    buffer_after_minutes integer check (buffer_after_minutes between 0 and 240),
    minimum_notice_minutes integer check (minimum_notice_minutes between 0 and 43200),
    specialty_id bigint,
    modality text not null check (modality in ('in_person', 'video')),
    -- how long before the beginning a patient can last cancel or reschedule
    cancellation_cutoff_minutes integer not null default 0 check (cancellation_cutoff_minutes between 0 and 43200),
    reschedule_cutoff_minutes integer not null default 0 check (reschedule_cutoff_minutes between 0 and 43200),
    -- past appointments keep naming it
    archived_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint appointment_templates_tenant_key unique (organization_id, id),
    constraint appointment_templates_specialty_fkey foreign key (organization_id, specialty_id)
        references specialties (organization_id, id)
);
create unique index appointment_templates_slug_key on appointment_templates (organization_id, slug) where archived_at is null;
create index appointment_templates_list_idx on appointment_templates (organization_id, lower(name), id) where archived_at is null;

alter table appointments
    add column appointment_template_id bigint,
    add column modality text not null default 'in_person' check (modality in ('in_person', 'video')),
    -- a hold: until when, and whose: only its maker can book or release it
    add column hold_expires_at timestamptz,
    add column holder text,
    -- what iCalendar calls SEQUENCE: counts changes that a calendar has to follow
    add column sequence integer not null default 0,
    -- stamped at booking like the block: what a patient was promised stays
    add column cancellation_cutoff_minutes integer not null default 0,
    add column reschedule_cutoff_minutes integer not null default 0,
    add constraint appointments_hold_check check (status <> 'held' or (hold_expires_at is not null and holder is not null)),
    add constraint appointments_tenant_key unique (organization_id, id),
    add constraint appointments_template_fkey foreign key (organization_id, appointment_template_id)
        references appointment_templates (organization_id, id);
create index appointments_hold_idx on appointments (hold_expires_at) where status = 'held';

create table appointment_reschedules (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    appointment_id bigint not null,
    patient_id bigint not null,
    from_specialist_id bigint not null,
    from_started_at timestamptz not null,
    from_ended_at timestamptz not null,
    to_specialist_id bigint not null,
    to_started_at timestamptz not null,
    to_ended_at timestamptz not null,
    -- who moved it; null when that user is gone, or it was a program
    user_id bigint references users (id) on delete set null,
    created_at timestamptz not null default now(),
    constraint appointment_reschedules_appointment_fkey foreign key (organization_id, appointment_id)
        references appointments (organization_id, id),
    constraint appointment_reschedules_patient_fkey foreign key (organization_id, patient_id)
        references patients (organization_id, id),
    constraint appointment_reschedules_from_fkey foreign key (organization_id, from_specialist_id)
        references specialists (organization_id, id),
    constraint appointment_reschedules_to_fkey foreign key (organization_id, to_specialist_id)
        references specialists (organization_id, id)
);
create index appointment_reschedules_appointment_idx on appointment_reschedules (organization_id, appointment_id, id);

alter table specialist_hours enable row level security;
alter table specialist_hours force row level security;
create policy specialist_hours_owner on specialist_hours to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy specialist_hours_read on specialist_hours for select to restartix_app
    using (organization_id = (select context_organization()));
create policy specialist_hours_write on specialist_hours to restartix_app
    using (organization_id = (select context_organization())
           and ((select context_role()) = 'admin' or specialist_id = (select context_specialist())))
    with check (organization_id = (select context_organization())
           and ((select context_role()) = 'admin' or specialist_id = (select context_specialist())));
grant select, insert, delete on specialist_hours to restartix_app;

alter table specialist_exceptions enable row level security;
alter table specialist_exceptions force row level security;
create policy specialist_exceptions_owner on specialist_exceptions to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy specialist_exceptions_read on specialist_exceptions for select to restartix_app
    using (organization_id = (select context_organization()));
create policy specialist_exceptions_write on specialist_exceptions to restartix_app
    using (organization_id = (select context_organization())
           and ((select context_role()) = 'admin' or specialist_id = (select context_specialist())))
    with check (organization_id = (select context_organization())
           and ((select context_role()) = 'admin' or specialist_id = (select context_specialist())));
grant select, insert, delete on specialist_exceptions to restartix_app;

alter table appointment_templates enable row level security;
alter table appointment_templates force row level security;
create policy appointment_templates_owner on appointment_templates to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy appointment_templates_read on appointment_templates for select to restartix_app
    using (organization_id = (select context_organization()));
create policy appointment_templates_write on appointment_templates to restartix_app
    using (organization_id = (select context_organization()) and (select context_role()) = 'admin')
    with check (organization_id = (select context_organization()) and (select context_role()) = 'admin');
grant select, insert, update, delete on appointment_templates to restartix_app;

alter table appointment_reschedules enable row level security;
alter table appointment_reschedules force row level security;
create policy appointment_reschedules_owner on appointment_reschedules to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
-- Whoever sees the appointment sees its history. Compares its own columns alone, as every policy.
create policy appointment_reschedules_tenant on appointment_reschedules to restartix_app
    using (organization_id = (select context_organization())
           and ((select context_role() in ('admin', 'staff', 'api_key'))
                or from_specialist_id = (select context_specialist())
                or to_specialist_id = (select context_specialist())
                or patient_id = (select context_patient())))
    with check (organization_id = (select context_organization())
           and ((select context_role() in ('admin', 'staff', 'api_key'))
                or from_specialist_id = (select context_specialist())
                or to_specialist_id = (select context_specialist())
                or patient_id = (select context_patient())));
grant select, insert on appointment_reschedules to restartix_app;

-- When a specialist of the caller's organization is taken, whoever took the time: row-level security
-- hides other people's bookings, so this runs as the owner and gives out ranges alone. `block` keeps
-- others out, `booked` is the time itself. A hold that has run out is none. `besides` leaves out one
-- appointment: the one that is being moved.
create function busy_blocks(specialist bigint, range_from timestamptz, range_to timestamptz, besides bigint default null)
returns table (block tstzrange, booked tstzrange)
language sql stable security definer set search_path = pg_catalog, public
begin atomic
    select a.block, tstzrange(a.started_at, a.ended_at)
    from appointments a
    where a.organization_id = context_organization() and a.specialist_id = specialist
      and a.status in ('held', 'scheduled', 'confirmed', 'in_progress') and a.deleted_at is null
      and (a.status <> 'held' or a.hold_expires_at > now())
      and a.block && tstzrange(range_from, range_to)
      and (besides is null or a.id <> besides);
end;
revoke execute on function busy_blocks(bigint, timestamptz, timestamptz, bigint) from public;
grant execute on function busy_blocks(bigint, timestamptz, timestamptz, bigint) to restartix_app;

-- A constraint can't see now(): what has run out gives way before a booking is tried. Gives the ids, for
-- the audit entry. Whoever calls it holds the locks of specialist and patient.
create function expire_holds(specialist bigint, patient bigint, wanted tstzrange) returns setof bigint
language sql volatile security definer set search_path = pg_catalog, public
begin atomic
    update appointments a
    set status = 'expired', version = a.version + 1, updated_at = now()
    where a.organization_id = context_organization() and (a.specialist_id = specialist or a.patient_id = patient)
      and a.status = 'held' and a.hold_expires_at <= now() and a.deleted_at is null and a.block && wanted
    returning a.id;
end;
revoke execute on function expire_holds(bigint, bigint, tstzrange) from public;
grant execute on function expire_holds(bigint, bigint, tstzrange) to restartix_app;
