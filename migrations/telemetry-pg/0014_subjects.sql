-- Consents of patients who have no login yet, and the users that patients sign in as. Core writes both, by the owner's
-- role; people reach neither.

-- Decisions of patients, made before anybody signs in as the patient. A table of its own and no column of `consents`:
-- ids of patients and of users are numbered apart, and a process of the version before reads consents by the number
-- alone.
create table privacy.patient_consents (
    organization_id bigint not null check (organization_id > 0),
    -- The patient's id in Core.
    patient_id bigint not null check (patient_id > 0),
    -- Drawn by Core: a decision that is sent again is stored once.
    id uuid not null,
    purpose text not null check (purpose in ('analytics', 'media', 'pose')),
    granted boolean not null,
    text_version text not null,
    source text not null,
    -- By Core's clock, and never later than the time of arrival.
    decided_at timestamptz not null,
    received_at timestamptz not null default now(),
    primary key (organization_id, patient_id, id)
);
alter table privacy.patient_consents enable row level security;
alter table privacy.patient_consents force row level security;
create policy patient_consents_owner on privacy.patient_consents to restartix_telemetry
    using ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
    with check ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));
create policy patient_consents_app on privacy.patient_consents to restartix_telemetry_app
    using (false) with check (false);

-- Users who have accepted to sign in as a patient. A row stays when the two are separated: what the person did stays,
-- too.
create table privacy.patient_joins (
    organization_id bigint not null check (organization_id > 0),
    patient_id bigint not null check (patient_id > 0),
    -- The user's id in Core.
    user_id bigint not null check (user_id > 0),
    joined_at timestamptz not null default now(),
    primary key (organization_id, patient_id, user_id)
);
-- An erasure looks for the patient and for the user in every organization.
create index patient_consents_patient on privacy.patient_consents (patient_id);
create index patient_joins_patient on privacy.patient_joins (patient_id);
create index patient_joins_user on privacy.patient_joins (user_id);
alter table privacy.patient_joins enable row level security;
alter table privacy.patient_joins force row level security;
create policy patient_joins_owner on privacy.patient_joins to restartix_telemetry
    using ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
    with check ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));
create policy patient_joins_app on privacy.patient_joins to restartix_telemetry_app
    using (false) with check (false);
