-- The audit trail. `id` is the UUIDv7 that Core made when the event happened: it alone is the key, so
-- an event sent again is recognized whatever else a sender changed, and it carries the time, so
-- months of the trail are ranges of it.
create table audit.audit_logs (
    id uuid not null primary key,
    occurred_at timestamptz not null,
    received_at timestamptz not null default now(),
    -- 0 for what belongs to no organization, so that it is never null in a comparison.
    organization_id bigint not null check (organization_id >= 0),
    actor_user_id bigint,
    actor_kind text not null check (actor_kind in ('user', 'api_key', 'system')),
    impersonator_user_id bigint,
    action text not null,
    entity_type text not null,
    entity_id text,
    -- Names only; a value of a field never comes here.
    changed_fields text[] not null default '{}',
    request_id text,
    outcome text not null check (outcome in ('succeeded', 'denied', 'failed')),
    operation_id text
) partition by range (id);

-- Each index ends in id: the trail is read newest first, and an ordered scan can stop after a page.
create index audit_logs_organization on audit.audit_logs (organization_id, id);
create index audit_logs_entity on audit.audit_logs (organization_id, entity_type, entity_id, id);
create index audit_logs_actor on audit.audit_logs (organization_id, actor_user_id, id);
create index audit_logs_request on audit.audit_logs (organization_id, request_id, id) where request_id is not null;

-- Values that erasure may remove, apart from the event, which it may not touch. There is no foreign
-- key: a month of the trail is dropped as a whole, and this table is swept after it.
create table audit.audit_personal (
    audit_id uuid not null primary key,
    organization_id bigint not null check (organization_id >= 0),
    ip inet,
    user_agent text
);
create index audit_personal_organization on audit.audit_personal (organization_id);

-- Append only, whoever asks: privileges keep the application role out, this keeps the owner out.
create function audit.change_refuse() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
    raise exception 'the audit trail is append-only: % on % refused', tg_op, tg_table_name
        using errcode = 'insufficient_privilege';
end
$$;
create trigger audit_logs_append_only before update or delete on audit.audit_logs
    for each row execute function audit.change_refuse();
create trigger audit_logs_no_truncate before truncate on audit.audit_logs
    for each statement execute function audit.change_refuse();

-- The least UUIDv7 of a moment: 48 bits of milliseconds, then zeros.
create function audit.uuid_floor(moment timestamptz) returns uuid
language sql immutable strict set search_path = pg_catalog as $$
    select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- Row level security and triggers that a partition does not inherit. It has no policy at all: rows are
-- reached through the parent, whose policies then apply, and directly by nobody.
create function audit.partition_protect(partition regclass) returns void
language plpgsql set search_path = pg_catalog as $$
begin
    execute format('alter table %s enable row level security', partition);
    execute format('alter table %s force row level security', partition);
    execute format(
        'create trigger audit_logs_no_truncate before truncate on %s
             for each statement execute function audit.change_refuse()', partition);
end
$$;

-- Makes the monthly partitions from `behind` months ago to `ahead` months from now that aren't there.
-- Called by `migrate`, at each start and daily; returns how many it made.
create function audit.partitions_ensure(behind integer, ahead integer) returns integer
language plpgsql set search_path = pg_catalog as $$
declare
    month timestamptz;
    name text;
    made integer := 0;
begin
    -- One at a time: two processes that start together would make the same partition.
    perform pg_advisory_xact_lock(hashtextextended('audit.partitions_ensure', 0));
    for step in -behind..ahead loop
        month := date_trunc('month', now() at time zone 'UTC' + make_interval(months => step)) at time zone 'UTC';
        name := 'audit_logs_' || to_char(month at time zone 'UTC', 'YYYYMM');
        if to_regclass('audit.' || name) is null then
            begin
                execute format(
                    'create table audit.%I partition of audit.audit_logs for values from (%L) to (%L)', name,
                    audit.uuid_floor(month),
                    audit.uuid_floor((month at time zone 'UTC' + interval '1 month') at time zone 'UTC'));
                perform audit.partition_protect(format('audit.%I', name)::regclass);
                made := made + 1;
            exception when check_violation then
                -- Rows of that month came before their partition did and lie in the default one, where
                -- they are as safe and as readable.
                raise warning 'rows of % are in the default partition', name;
            end;
        end if;
    end loop;
    return made;
end
$$;

-- For what is older than the first partition.
create table audit.audit_logs_default partition of audit.audit_logs default;
select audit.partition_protect('audit.audit_logs_default');
select audit.partitions_ensure(1, 3);

alter table audit.audit_logs enable row level security;
alter table audit.audit_logs force row level security;
alter table audit.audit_personal enable row level security;
alter table audit.audit_personal force row level security;

create policy audit_logs_app on audit.audit_logs to restartix_telemetry_app
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
    with check (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));
create policy audit_personal_app on audit.audit_personal to restartix_telemetry_app
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
    with check (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));

-- The owner without a context is ingest or a superadmin who named no organization; with one it is held
-- to it like everybody else.
create policy audit_logs_owner on audit.audit_logs to restartix_telemetry
    using ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
    with check ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));
create policy audit_personal_owner on audit.audit_personal to restartix_telemetry
    using ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
    with check ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));

grant select on audit.audit_logs, audit.audit_personal to restartix_telemetry_app;
