-- Where an appointment by video takes place: its room at Daily. No row is one that has not been made yet.
create table video_rooms (
    organization_id bigint not null references organizations (id),
    appointment_id bigint not null,
    -- the appointment's: a policy compares its own columns
    patient_id bigint not null,
    specialist_id bigint not null,
    -- what Daily calls it; says nothing of the appointment
    name text not null,
    -- opens nothing without a token
    url text not null,
    opens_at timestamptz not null,
    closes_at timestamptz not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (organization_id, appointment_id),
    constraint video_rooms_appointment_fkey foreign key (organization_id, appointment_id)
        references appointments (organization_id, id),
    constraint video_rooms_patient_fkey foreign key (organization_id, patient_id)
        references patients (organization_id, id),
    constraint video_rooms_specialist_fkey foreign key (organization_id, specialist_id)
        references specialists (organization_id, id)
);
create index video_rooms_patient_idx on video_rooms (organization_id, patient_id);

alter table video_rooms enable row level security;
alter table video_rooms force row level security;
create policy video_rooms_owner on video_rooms to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
-- Whoever sees the appointment sees its room; the service alone makes, moves and deletes rooms.
create policy video_rooms_read on video_rooms for select to restartix_app
    using (organization_id = (select context_organization())
           and ((select context_role()) in ('admin', 'staff', 'api_key')
                or specialist_id = (select context_specialist())
                or patient_id = (select context_patient())));
grant select on video_rooms to restartix_app;
