-- Who waits for a slot that is not open yet. What becomes open is offered to who waits first, as a hold
-- that nobody else can book.
create table waitlist_entries (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    patient_id bigint not null,
    -- with whom; null for whoever can be booked for the template
    specialist_id bigint,
    template_id bigint,
    -- when the patient could come
    requested_from timestamptz not null,
    requested_to timestamptz not null,
    -- what it has led to: the offer that was accepted
    appointment_id bigint,
    -- when that was; it stays when the appointment has gone
    booked_at timestamptz,
    deleted_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint waitlist_entries_wish_check check (specialist_id is not null or template_id is not null),
    constraint waitlist_entries_period_check check (requested_to > requested_from),
    constraint waitlist_entries_tenant_key unique (organization_id, id),
    constraint waitlist_entries_patient_fkey foreign key (organization_id, patient_id) references patients (organization_id, id),
    constraint waitlist_entries_specialist_fkey foreign key (organization_id, specialist_id)
        references specialists (organization_id, id),
    constraint waitlist_entries_template_fkey foreign key (organization_id, template_id)
        references appointment_templates (organization_id, id),
    -- an appointment may have become another patient's, whose erasure takes it away
    constraint waitlist_entries_appointment_fkey foreign key (organization_id, appointment_id)
        references appointments (organization_id, id) on delete set null (appointment_id)
);
create index waitlist_entries_list_idx on waitlist_entries (organization_id, id) where deleted_at is null;
create index waitlist_entries_open_idx on waitlist_entries (organization_id, requested_to)
    where booked_at is null and deleted_at is null;
create index waitlist_entries_specialist_idx on waitlist_entries (organization_id, specialist_id)
    where booked_at is null and deleted_at is null;
create index waitlist_entries_patient_idx on waitlist_entries (organization_id, patient_id);
create index waitlist_entries_template_idx on waitlist_entries (organization_id, template_id) where template_id is not null;
create index waitlist_entries_appointment_idx on waitlist_entries (organization_id, appointment_id)
    where appointment_id is not null;

-- Of an offer: to whom it was made. It stays when the offer has run out, so that nobody is offered the same
-- time twice.
alter table appointments
    add column waitlist_entry_id bigint,
    add constraint appointments_waitlist_entry_fkey foreign key (organization_id, waitlist_entry_id)
        references waitlist_entries (organization_id, id) on delete set null (waitlist_entry_id);
create index appointments_waitlist_entry_idx on appointments (organization_id, waitlist_entry_id)
    where waitlist_entry_id is not null;

alter table waitlist_entries enable row level security;
alter table waitlist_entries force row level security;
create policy waitlist_entries_owner on waitlist_entries to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy waitlist_entries_tenant on waitlist_entries to restartix_app
    using (organization_id = (select context_organization())
           and ((select context_role() in ('admin', 'staff', 'api_key'))
                or (select context_role() = 'patient') and patient_id = (select context_patient())))
    with check (organization_id = (select context_organization())
           and ((select context_role() in ('admin', 'staff', 'api_key'))
                or (select context_role() = 'patient') and patient_id = (select context_patient())));
grant select, insert, update on waitlist_entries to restartix_app;

-- The entries and where each stands. Nothing stores that: time alone ends offers and entries. Runs as who
-- asks; whoever sees an entry sees its offer.
create function waitlist_standing()
returns table (id bigint, organization_id bigint, patient_id bigint, specialist_id bigint, template_id bigint,
               requested_from timestamptz, requested_to timestamptz, status text, appointment_id bigint,
               offer_id bigint, offer_specialist_id bigint, offer_started_at timestamptz, offer_ended_at timestamptz,
               offer_expires_at timestamptz, booked_at timestamptz, created_at timestamptz)
language sql stable
begin atomic
    select w.id, w.organization_id, w.patient_id, w.specialist_id, w.template_id, w.requested_from, w.requested_to,
           case when w.booked_at is not null then 'booked' when o.id is not null then 'offered'
                when w.requested_to <= now() then 'expired' when l.offers >= 3 then 'unanswered' else 'waiting' end,
           w.appointment_id, o.id, o.specialist_id, o.started_at, o.ended_at, o.hold_expires_at, w.booked_at, w.created_at
    from waitlist_entries w
    join patients p on p.organization_id = w.organization_id and p.id = w.patient_id and p.deleted_at is null
    cross join lateral (
        -- those that it let run out
        select count(*) as offers from appointments a
        where a.organization_id = w.organization_id and a.waitlist_entry_id = w.id and a.deleted_at is null
          and (a.status = 'expired' or a.status = 'held' and a.hold_expires_at <= now())
    ) l
    left join appointments o
        on o.organization_id = w.organization_id and o.waitlist_entry_id = w.id and o.status = 'held'
       and o.hold_expires_at > now() and o.deleted_at is null
    where w.deleted_at is null;
end;

-- Who can serve an entry: the specialist that it names, else each who has the specialty of its template, or
-- simply each when the template has none. Nobody for what is archived.
create function waitlist_specialists(organization bigint, specialist bigint, template bigint) returns setof bigint
language sql stable
begin atomic
    select s.id
    from specialists s
    left join appointment_templates t
        on t.organization_id = s.organization_id and t.id = waitlist_specialists.template and t.archived_at is null
    where s.organization_id = organization and s.deleted_at is null and s.bookable
      and (template is null or t.id is not null)
      and case when specialist is not null then s.id = specialist
               else t.specialty_id is null
                    or exists (select from specialist_specialties y
                               where y.organization_id = s.organization_id and y.specialist_id = s.id
                                 and y.specialty_id = t.specialty_id) end;
end;

-- A specialist sees whom it treats or is to treat. Nobody has been booked by a hold, and least of all by one
-- that the clinic offers.
alter policy patients_tenant on patients
    using (organization_id = (select context_organization())
           and ((select context_role()) in ('admin', 'staff', 'api_key')
                or id = (select context_patient())
                or ((select context_role()) = 'specialist'
                    and exists (select from appointments a
                                where a.organization_id = patients.organization_id and a.patient_id = patients.id
                                  and a.specialist_id = (select context_specialist()) and a.deleted_at is null
                                  and a.status not in ('held', 'expired')))))
    with check (organization_id = (select context_organization())
           and ((select context_role()) in ('admin', 'staff', 'api_key')
                or id = (select context_patient())
                or ((select context_role()) = 'specialist'
                    and exists (select from appointments a
                                where a.organization_id = patients.organization_id and a.patient_id = patients.id
                                  and a.specialist_id = (select context_specialist()) and a.deleted_at is null
                                  and a.status not in ('held', 'expired')))));
