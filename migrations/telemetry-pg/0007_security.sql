-- What audit events say together that none of them says alone.

-- Core has both since it records attempts: how many of them a row stands for, and the code they were
-- answered with.
alter table audit.audit_logs
    add column occurrences bigint not null default 1 check (occurrences > 0),
    add column error_code text;

-- Reading the security events is in the trail like reading the trail.
drop policy audit_logs_app_add on audit.audit_logs;
create policy audit_logs_app_add on audit.audit_logs for insert to restartix_telemetry_app
    with check (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and actor_user_id = (select nullif(current_setting('app.current_user_id', true), '')::bigint)
        and actor_kind = 'user' and action = 'read' and entity_type in ('audit_log', 'security_event'));

-- What a rule saw in an event of the trail; kept for little longer than the rule looks back.
create table security.sightings (
    organization_id bigint not null check (organization_id >= 0),
    -- The rule's name.
    kind text not null,
    -- Whose doing: user:<id>, api_key:<id> or address:<keyed hash>.
    subject text not null,
    -- Keyed hash of what is counted once in a window, such as a patient; empty where each event counts.
    object text not null default '',
    seen_at timestamptz not null,
    audit_id uuid not null,
    weight bigint not null check (weight > 0),
    stored_at timestamptz not null default now(),
    primary key (organization_id, kind, subject, seen_at, audit_id, object)
);
create index sightings_object on security.sightings (organization_id, kind, subject, object, seen_at)
    where object <> '';

create table security.security_events (
    id uuid not null primary key,
    organization_id bigint not null check (organization_id >= 0),
    kind text not null,
    severity text not null check (severity in ('low', 'medium', 'high', 'critical')),
    subject text not null,
    -- Of the subject, where it is a user or an API key.
    actor_user_id bigint,
    actor_api_key_id bigint,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    occurrences bigint not null check (occurrences > 0),
    -- What the rule was set to.
    threshold bigint not null,
    window_seconds bigint not null,
    -- The latest events of the trail that it was seen in, the newest first.
    audit_ids uuid[] not null check (cardinality(audit_ids) <= 20)
);
create index security_events_organization on security.security_events (organization_id, id);
create index security_events_subject on security.security_events (organization_id, kind, subject, last_seen_at);

alter table security.sightings enable row level security;
alter table security.sightings force row level security;
alter table security.security_events enable row level security;
alter table security.security_events force row level security;

create policy sightings_app on security.sightings for select to restartix_telemetry_app
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));
create policy security_events_app on security.security_events for select to restartix_telemetry_app
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));
create policy sightings_owner on security.sightings to restartix_telemetry
    using ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
    with check ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));
create policy security_events_owner on security.security_events to restartix_telemetry
    using ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
    with check ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));

grant usage on schema security to restartix_telemetry_app;
grant select on security.sightings, security.security_events to restartix_telemetry_app;
