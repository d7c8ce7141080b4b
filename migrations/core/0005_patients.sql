-- A key for each patient's personal data, wrapped by the installation's key: rotation rewraps rows
-- here and touches no patient, erasure destroys one row's key and with it every copy of the data.
create table data_keys (
    id uuid primary key,
    organization_id bigint not null references organizations (id),
    wrapped bytea not null,
    created_at timestamptz not null default now(),
    constraint data_keys_tenant_key unique (organization_id, id)
);

create table patients (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    -- made by the service before the row exists: ciphertexts are bound to it
    uid uuid not null,
    user_id bigint,
    data_key_id uuid not null,
    -- names stay in clear so that the front desk can search them; the one exception
    first_name text not null check (length(first_name) between 1 and 100),
    last_name text not null check (length(last_name) between 1 and 100),
    email_encrypted bytea,
    phone_encrypted bytea,
    date_of_birth_encrypted bytea,
    national_id_encrypted bytea,
    address_encrypted bytea,
    emergency_contact_encrypted bytea,
    clinical_notes_encrypted bytea,
    -- keyed hashes, so that an exact value can be found without being readable
    email_index bytea,
    phone_index bytea,
    national_id_index bytea,
    version bigint not null default 1,
    deleted_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint patients_tenant_key unique (organization_id, id),
    constraint patients_uid_key unique (organization_id, uid),
    constraint patients_data_key_fkey foreign key (organization_id, data_key_id) references data_keys (organization_id, id),
    constraint patients_user_fkey foreign key (organization_id, user_id) references memberships (organization_id, user_id)
        on delete set null (user_id)
);
create unique index patients_email_key on patients (organization_id, email_index) where deleted_at is null;
create unique index patients_user_key on patients (organization_id, user_id) where deleted_at is null;
create index patients_phone_idx on patients (organization_id, phone_index) where deleted_at is null;
create index patients_national_id_idx on patients (organization_id, national_id_index) where deleted_at is null;
create index patients_list_idx on patients (organization_id, lower(last_name), lower(first_name), id) where deleted_at is null;
create index patients_name_trgm_idx on patients using gin ((first_name || ' ' || last_name) gin_trgm_ops) where deleted_at is null;

create table appointments (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    uid uuid not null default gen_random_uuid(),
    title text not null default '',
    status text not null check (status in ('held', 'expired', 'scheduled', 'confirmed', 'in_progress', 'completed',
                                           'cancelled', 'no_show')),
    -- the booked time
    started_at timestamptz not null,
    ended_at timestamptz not null,
    -- what the appointment keeps others out of, half-open, stamped at booking
    block tstzrange not null,
    specialist_id bigint not null,
    patient_id bigint not null,
    specialty_id bigint,
    -- who booked it; null when that user is gone
    user_id bigint references users (id) on delete set null,
    cancelled_at timestamptz,
    cancellation_reason text check (cancellation_reason in ('patient_request', 'specialist_unavailable', 'clinic_request', 'other')),
    version bigint not null default 1,
    deleted_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint appointments_uid_key unique (organization_id, uid),
    constraint appointments_period_check check (ended_at > started_at and not isempty(block)),
    constraint appointments_specialist_fkey foreign key (organization_id, specialist_id) references specialists (organization_id, id),
    constraint appointments_patient_fkey foreign key (organization_id, patient_id) references patients (organization_id, id),
    constraint appointments_specialty_fkey foreign key (organization_id, specialty_id) references specialties (organization_id, id),
    -- no double booking, of specialist or patient, is a fact of the database
    constraint appointments_specialist_overlap exclude using gist (organization_id with =, specialist_id with =, block with &&)
        where (status in ('held', 'scheduled', 'confirmed', 'in_progress') and deleted_at is null),
    constraint appointments_patient_overlap exclude using gist (organization_id with =, patient_id with =, block with &&)
        where (status in ('held', 'scheduled', 'confirmed', 'in_progress') and deleted_at is null)
);
-- holds every column that lists filter by and the policy compares, so that a page's count never
-- visits the table
create index appointments_list_idx on appointments (organization_id, started_at, id)
    include (specialist_id, patient_id, status) where deleted_at is null;
create index appointments_specialist_idx on appointments (organization_id, specialist_id, started_at) where deleted_at is null;
create index appointments_patient_idx on appointments (organization_id, patient_id, started_at) where deleted_at is null;

alter table data_keys enable row level security;
alter table data_keys force row level security;
create policy data_keys_owner on data_keys to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy data_keys_tenant on data_keys to restartix_app
    using (organization_id = (select context_organization()))
    with check (organization_id = (select context_organization()));
grant select, insert on data_keys to restartix_app;

alter table appointments enable row level security;
alter table appointments force row level security;
create policy appointments_owner on appointments to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy appointments_tenant on appointments to restartix_app
    using (organization_id = (select context_organization())
           and ((select context_role()) in ('admin', 'staff')
                or specialist_id = (select context_specialist())
                or patient_id = (select context_patient())))
    with check (organization_id = (select context_organization())
           and ((select context_role()) in ('admin', 'staff')
                or specialist_id = (select context_specialist())
                or patient_id = (select context_patient())));
grant select, insert, update on appointments to restartix_app;

alter table patients enable row level security;
alter table patients force row level security;
create policy patients_owner on patients to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
-- The one policy that reads another table: a specialist sees the patients it treats. None on
-- appointments may read patients, or the two would recurse.
create policy patients_tenant on patients to restartix_app
    using (organization_id = (select context_organization())
           and ((select context_role()) in ('admin', 'staff')
                or id = (select context_patient())
                or ((select context_role()) = 'specialist'
                    and exists (select from appointments a
                                where a.organization_id = patients.organization_id and a.patient_id = patients.id
                                  and a.specialist_id = (select context_specialist()) and a.deleted_at is null))))
    with check (organization_id = (select context_organization())
           and ((select context_role()) in ('admin', 'staff')
                or id = (select context_patient())
                or ((select context_role()) = 'specialist'
                    and exists (select from appointments a
                                where a.organization_id = patients.organization_id and a.patient_id = patients.id
                                  and a.specialist_id = (select context_specialist()) and a.deleted_at is null))));
grant select, insert, update on patients to restartix_app;

create trigger patients_notify after insert or delete or update of user_id, deleted_at on patients
    for each row execute function identity_notify();
