-- What a person agreed to, a row a decision and purpose; the latest version counts, the earlier ones
-- are the proof of what held before.
create table privacy.consents (
    organization_id bigint not null check (organization_id > 0),
    -- The user's id in Core.
    subject_id bigint not null,
    purpose text not null check (purpose in ('analytics', 'media', 'pose')),
    -- Counted for each person from 1; a decision has one number over all purposes.
    version bigint not null check (version > 0),
    granted boolean not null,
    text_version text not null,
    source text not null,
    recorded_at timestamptz not null default now(),
    -- In this order one index serves the constraint and "the latest of each purpose".
    primary key (organization_id, subject_id, purpose, version)
);

alter table privacy.consents enable row level security;
alter table privacy.consents force row level security;

-- A person's own decisions, in the organization of its token: nobody decides for another.
create policy consents_app on privacy.consents to restartix_telemetry_app
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and subject_id = (select nullif(current_setting('app.current_user_id', true), '')::bigint))
    with check (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and subject_id = (select nullif(current_setting('app.current_user_id', true), '')::bigint));
create policy consents_owner on privacy.consents to restartix_telemetry
    using ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
    with check ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));

-- Decisions are added, never changed.
grant select, insert on privacy.consents to restartix_telemetry_app;
