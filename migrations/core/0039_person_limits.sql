-- Limits on what one person does with appointments: how many slots it holds, how late it cancels after it has moved, and what
-- its calendar feed says of an appointment that has gone to somebody else.

alter table appointments
    -- time at which a hold was made; stays when the hold is booked, released or expired, so that a day's holds can be counted.
    -- Null for an offer of the waitlist, which its patient did not ask for
    add column held_at timestamptz,
    -- earliest beginning that the patient has moved the appointment from or to; null unless the patient made the last change
    -- of its beginning
    add column cutoff_started_at timestamptz;
create index appointments_holder_idx on appointments (organization_id, holder) where status = 'held';
create index appointments_held_at_idx on appointments (organization_id, user_id, held_at) where held_at is not null;

-- Refuses a hold beyond the limits: a patient holds 3 slots at a time and makes 10 holds in 24 hours; whoever holds for
-- others, an API key too, holds 50 at a time. Holds of the same maker wait for each other here, so that parallel requests for
-- different specialists are counted. Runs as the owner: row-level security could hide a hold from its maker.
create function appointment_hold_limit() returns trigger
    language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    is_patient constant boolean := context_role() is not distinct from 'patient';
    at_once constant integer := case when is_patient then 3 else 50 end;
    a_day constant integer := 10;
    counted integer;
    free_at timestamptz;
begin
    perform pg_advisory_xact_lock(hashtextextended('holder:' || new.organization_id || ':' || new.holder, 0));
    new.held_at := now();
    select count(*), min(a.hold_expires_at) into counted, free_at
    from appointments a
    where a.organization_id = new.organization_id and a.holder = new.holder and a.status = 'held'
      and a.hold_expires_at > now() and a.deleted_at is null;
    if counted >= at_once then
        raise exception 'the maker of the hold has as many as it may have at a time'
            using errcode = 'check_violation', constraint = 'appointments_holds_at_once',
                  detail = jsonb_build_object('limit', at_once, 'available_at', free_at)::text;
    end if;
    if is_patient then
        select count(*), min(a.held_at) + interval '24 hours' into counted, free_at
        from appointments a
        where a.organization_id = new.organization_id and a.user_id = new.user_id and a.held_at > now() - interval '24 hours';
        if counted >= a_day then
            raise exception 'the maker of the hold has made as many as it may in 24 hours'
                using errcode = 'check_violation', constraint = 'appointments_holds_a_day',
                      detail = jsonb_build_object('limit', a_day, 'available_at', free_at)::text;
        end if;
    end if;
    return new;
end $$;
create trigger appointments_hold_limit before insert on appointments
    for each row when (new.status = 'held' and new.waitlist_entry_id is null) execute function appointment_hold_limit();

-- Last moment at which a patient may cancel or move an appointment. A patient's own move never makes it later; without a
-- cut-off it is the beginning.
create function appointment_deadline(started_at timestamptz, cutoff_started_at timestamptz, cutoff_minutes integer)
    returns timestamptz language sql stable parallel safe
    return case when cutoff_minutes > 0 then coalesce(cutoff_started_at, started_at) else started_at end
           - make_interval(mins => cutoff_minutes);

-- Status that iCalendar shows; null for what no feed shows.
create function appointment_calendar_status(status text) returns text language sql immutable parallel safe
    return case when status = 'scheduled' then 'TENTATIVE'
                when status in ('confirmed', 'in_progress', 'completed') then 'CONFIRMED'
                when status in ('cancelled', 'no_show') then 'CANCELLED' end;

-- Sets the columns that follow from a change, whoever makes it: the beginning that cut-offs count from, and the iCalendar
-- SEQUENCE, which rises if a calendar feed shows the change and not otherwise. Fires after appointments_change_guard, by name.
create function appointment_follow() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    -- Another specialist at the same time is no later deadline.
    if new.started_at <> old.started_at then
        new.cutoff_started_at := case when context_role() = 'patient' then
            least(coalesce(old.cutoff_started_at, old.started_at), new.started_at) end;
    end if;
    new.sequence := old.sequence;
    if old.deleted_at is null and appointment_calendar_status(old.status) is not null
       and (appointment_calendar_status(new.status), new.started_at, new.ended_at, new.specialist_id, new.patient_id,
            new.specialty_id, new.modality, new.deleted_at)
           is distinct from
           (appointment_calendar_status(old.status), old.started_at, old.ended_at, old.specialist_id, old.patient_id,
            old.specialty_id, old.modality, old.deleted_at) then
        new.sequence := old.sequence + 1;
    end if;
    return new;
end $$;
create trigger appointments_follow before update on appointments
    for each row execute function appointment_follow();

-- Appointments that have left a calendar feed, because they were deleted or given to another specialist or patient. The feed
-- shows them as cancelled for 90 days. A row is for one specialist, for one patient, or, with neither, for the clinic's desk.
create table calendar_departures (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    appointment_uid uuid not null,
    specialist_id bigint,
    patient_id bigint,
    specialty_id bigint,
    modality text not null,
    -- the appointment's time when it left
    started_at timestamptz not null,
    ended_at timestamptz not null,
    sequence integer not null,
    appointment_created_at timestamptz not null,
    departed_at timestamptz not null default now(),
    constraint calendar_departures_audience_check check (num_nonnulls(specialist_id, patient_id) <= 1),
    constraint calendar_departures_specialist_fkey foreign key (organization_id, specialist_id)
        references specialists (organization_id, id),
    constraint calendar_departures_patient_fkey foreign key (organization_id, patient_id)
        references patients (organization_id, id),
    constraint calendar_departures_specialty_fkey foreign key (organization_id, specialty_id)
        references specialties (organization_id, id) on delete set null (specialty_id)
);
create index calendar_departures_feed_idx on calendar_departures (organization_id, departed_at);
create index calendar_departures_sweep_idx on calendar_departures (departed_at);
create index calendar_departures_appointment_idx on calendar_departures (organization_id, appointment_uid);
create index calendar_departures_specialist_idx on calendar_departures (organization_id, specialist_id)
    where specialist_id is not null;
create index calendar_departures_patient_idx on calendar_departures (organization_id, patient_id) where patient_id is not null;
create index calendar_departures_specialty_idx on calendar_departures (organization_id, specialty_id)
    where specialty_id is not null;
select tenant_table('calendar_departures', 'select',
                    reads => '(select context_role()) = ''specialist'' and specialist_id = (select context_specialist())
                              or (select context_role()) = ''patient'' and patient_id = (select context_patient())
                              or (select context_role()) in (''admin'', ''staff'', ''api_key'')
                                 and specialist_id is null and patient_id is null',
                    writes => 'false');

-- Records a departure in the statement that causes it. Runs as the owner: nobody else writes departures. Only what a feed
-- showed departs: no holds, and what begins from 90 days ago to 366 days ahead.
create function appointment_depart() returns trigger
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
                 (null, old.patient_id, deleted or new.patient_id <> old.patient_id),
                 (null, null, deleted)) as d (specialist_id, patient_id, departs)
    where d.departs;
    return null;
end $$;
create trigger appointments_depart after update of specialist_id, patient_id, deleted_at on appointments
    for each row when ((new.specialist_id, new.patient_id, new.deleted_at)
                       is distinct from (old.specialist_id, old.patient_id, old.deleted_at))
    execute function appointment_depart();

-- Removes what specialists and the desk are shown of an appointment that erasure deletes: it would be a trace of its patient.
create function appointment_forget() returns trigger
    language plpgsql security definer set search_path = pg_catalog, public as $$
begin
    delete from calendar_departures d
    where d.organization_id = old.organization_id and d.appointment_uid = old.uid and d.patient_id is null;
    return null;
end $$;
create trigger appointments_forget after delete on appointments
    for each row execute function appointment_forget();

-- As before, with the deadlines that a patient's own move does not extend.
create or replace function appointment_change_guard() returns trigger language plpgsql set search_path = pg_catalog, public as $$
declare
    writer constant text := context_role();
    before constant jsonb := to_jsonb(old);
    changed constant text[] := array(select c.key from jsonb_each(to_jsonb(new)) c where c.value <> before -> c.key);
    bookkeeping constant text[] := '{version,updated_at,sequence}';
    offered constant boolean := old.waitlist_entry_id is not null and old.holder = 'waitlist:' || old.waitlist_entry_id;
    moved constant boolean := (new.started_at, new.ended_at, new.block, new.specialist_id)
                              is distinct from (old.started_at, old.ended_at, old.block, old.specialist_id);
    allowed boolean;
begin
    if changed <@ bookkeeping then
        return new;
    elsif writer = 'admin' and old.deleted_at is null and changed <@ (bookkeeping || '{deleted_at}'::text[]) then
        -- Whatever it is, an offer too.
        return new;
    elsif old.status = 'held' then
        -- Booked or given back, by who holds it; what is offered is the entry's, for whom the clinic may act.
        allowed := writer <> 'specialist' and (offered or context_holds(old.holder))
                   and appointment_may_become('held', new.status)
                   and (new.status <> 'scheduled' or old.hold_expires_at > now())
                   and (new.deleted_at is null or offered)
                   and changed <@ (bookkeeping || '{status,title,title_encrypted,user_id,holder,hold_expires_at,deleted_at}'::text[])
                   and (new.user_id is not distinct from old.user_id or new.user_id = context_user());
    elsif new.status <> old.status then
        allowed := appointment_may_become(old.status, new.status)
                   and changed <@ (bookkeeping || '{status,holder,cancelled_at,cancellation_reason}'::text[])
                   and (writer <> 'patient'
                        or new.status = 'cancelled'
                           and appointment_deadline(old.started_at, old.cutoff_started_at, old.cancellation_cutoff_minutes) > now());
    elsif writer = 'patient' then
        allowed := moved and old.status in ('scheduled', 'confirmed')
                   and changed <@ (bookkeeping || '{started_at,ended_at,block,specialist_id}'::text[])
                   and (new.ended_at - new.started_at, new.started_at - lower(new.block), upper(new.block) - new.ended_at)
                       = (old.ended_at - old.started_at, old.started_at - lower(old.block), upper(old.block) - old.ended_at)
                   and appointment_deadline(old.started_at, old.cutoff_started_at, old.reschedule_cutoff_minutes) > now();
    else
        allowed := old.status in ('scheduled', 'confirmed')
                   and changed <@ (bookkeeping || '{title,title_encrypted,started_at,ended_at,block,specialist_id,patient_id,specialty_id}'::text[]);
    end if;
    if not coalesce(allowed, false) then
        raise exception 'an appointment that is % is not for % to change so: %', old.status, coalesce(writer, 'nobody'), changed
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;

-- Slots that are kept for a waiting patient. A person is offered no more at a time than it may hold.
create function waitlist_offers(organization bigint, patient bigint) returns bigint
language sql stable set search_path = pg_catalog, public as $$
    select count(*) from appointments a
    where a.organization_id = organization and a.patient_id = patient and a.waitlist_entry_id is not null
      and a.status = 'held' and a.hold_expires_at > now() and a.deleted_at is null
$$;
