-- What Core tells of an organization, as far as this service works by it; the latest state.
create table ops.organization_settings (
    organization_id bigint primary key check (organization_id > 0),
    -- Counted by Core: of two states the one with the greater number is the later.
    revision bigint not null check (revision > 0),
    -- The IANA zone that the organization's days are in.
    timezone text not null check (length(timezone) between 1 and 64),
    received_at timestamptz not null default now()
);

-- Written by Core's hand alone: the application role has no privilege on it, nor on its schema.
alter table ops.organization_settings enable row level security;
alter table ops.organization_settings force row level security;
create policy organization_settings_owner on ops.organization_settings to restartix_telemetry
    using ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
    with check ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));
