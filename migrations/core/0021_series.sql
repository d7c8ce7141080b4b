-- Appointments that repeat: a course of treatment, booked together.

create table appointment_series (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    patient_id bigint not null,
    specialist_id bigint not null,
    appointment_template_id bigint,
    -- who booked it; null when that user is gone, or it was a program
    user_id bigint references users (id) on delete set null,
    title text not null default '',
    -- The rule it was booked by, kept as it was said: where its appointments are now, they say themselves.
    -- The zone is the specialist's of that day; times of the day are local to it.
    timezone text not null,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    frequency text not null check (frequency in ('daily', 'weekly', 'monthly')),
    step integer not null check (step between 1 and 52),
    -- ISO 8601: 1 is Monday; empty unless it is weekly
    weekdays smallint[] not null,
    occurrences integer check (occurrences between 2 and 100),
    until date,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint appointment_series_period_check check (ended_at > started_at),
    constraint appointment_series_end_check check (num_nonnulls(occurrences, until) = 1),
    constraint appointment_series_tenant_key unique (organization_id, id),
    constraint appointment_series_patient_key unique (organization_id, id, patient_id),
    constraint appointment_series_patient_fkey foreign key (organization_id, patient_id)
        references patients (organization_id, id),
    constraint appointment_series_specialist_fkey foreign key (organization_id, specialist_id)
        references specialists (organization_id, id),
    constraint appointment_series_template_fkey foreign key (organization_id, appointment_template_id)
        references appointment_templates (organization_id, id)
);
create index appointment_series_patient_idx on appointment_series (organization_id, patient_id);

alter table appointment_series enable row level security;
alter table appointment_series force row level security;
create policy appointment_series_owner on appointment_series to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy appointment_series_tenant on appointment_series to restartix_app
    using (organization_id = (select context_organization())
           and ((select context_role() in ('admin', 'staff', 'api_key')) or specialist_id = (select context_specialist())))
    with check (organization_id = (select context_organization())
           and ((select context_role() in ('admin', 'staff', 'api_key')) or specialist_id = (select context_specialist())));
grant select, insert, update on appointment_series to restartix_app;

-- An appointment of a series is its patient's.
alter table appointments
    add column appointment_series_id bigint,
    add constraint appointments_series_fkey foreign key (organization_id, appointment_series_id, patient_id)
        references appointment_series (organization_id, id, patient_id) on delete set null (appointment_series_id);
create index appointments_series_idx on appointments (organization_id, appointment_series_id, started_at)
    where appointment_series_id is not null;

-- A series moves in one statement, each appointment to where the next one was: what counts is that none
-- overlap when the statement ends.
alter table appointments
    drop constraint appointments_specialist_overlap,
    drop constraint appointments_patient_overlap,
    add constraint appointments_specialist_overlap exclude using gist (organization_id with =, specialist_id with =, block with &&)
        where (status in ('held', 'scheduled', 'confirmed', 'in_progress') and deleted_at is null)
        deferrable initially immediate,
    add constraint appointments_patient_overlap exclude using gist (organization_id with =, patient_id with =, block with &&)
        where (status in ('held', 'scheduled', 'confirmed', 'in_progress') and deleted_at is null)
        deferrable initially immediate;

-- How often the appointments of a series have changed, those included that the caller doesn't see: what
-- it was read with is told apart from what it is now.
create function appointment_series_changes(series bigint) returns bigint
language sql stable security definer set search_path = pg_catalog, public
begin atomic
    select coalesce(sum(a.version - 1), 0)::bigint from appointments a
    where a.organization_id = context_organization() and a.appointment_series_id = series;
end;
revoke execute on function appointment_series_changes(bigint) from public;
grant execute on function appointment_series_changes(bigint) to restartix_app;

-- When a patient of the caller's organization is taken, whoever treats it then: as busy_blocks for
-- specialists.
create function patient_blocks(patient bigint, range_from timestamptz, range_to timestamptz) returns setof tstzrange
language sql stable security definer set search_path = pg_catalog, public
begin atomic
    select a.block from appointments a
    where a.organization_id = context_organization() and a.patient_id = patient
      and a.status in ('held', 'scheduled', 'confirmed', 'in_progress') and a.deleted_at is null
      and (a.status <> 'held' or a.hold_expires_at > now())
      and a.block && tstzrange(range_from, range_to);
end;
revoke execute on function patient_blocks(bigint, timestamptz, timestamptz) from public;
grant execute on function patient_blocks(bigint, timestamptz, timestamptz) to restartix_app;

-- Holds that have run out give way to bookings of several specialists and at several times at once; in one
-- order for everybody.
drop function expire_holds(bigint, bigint, tstzrange);
create function expire_holds(specialists bigint[], patient bigint, wanted tstzmultirange) returns setof bigint
language sql volatile security definer set search_path = pg_catalog, public
begin atomic
    update appointments a
    set status = 'expired', holder = null, version = a.version + 1, updated_at = now()
    where a.id in (
        select h.id from appointments h
        where h.organization_id = context_organization() and (h.specialist_id = any(specialists) or h.patient_id = patient)
          and h.status = 'held' and h.hold_expires_at <= now() and h.deleted_at is null and h.block && wanted
        order by h.id
        for update)
    returning a.id;
end;
revoke execute on function expire_holds(bigint[], bigint, tstzmultirange) from public;
grant execute on function expire_holds(bigint[], bigint, tstzmultirange) to restartix_app;
