-- One row a mutating request, and one a record of protected health information that was read.
-- Append-only: no role may update or delete, neither by privilege nor past the trigger.
create table audit_log (
    -- UUIDv7, made by the process that commits: sorts by time
    id uuid primary key,
    occurred_at timestamptz not null,
    -- 0 for what belongs to no organization; no foreign key, for the log outlives what it speaks of
    organization_id bigint not null,
    actor_kind text not null check (actor_kind in ('user', 'system')),
    actor_user_id bigint,
    action text not null,
    entity_type text not null,
    entity_id text,
    -- names of fields, never their values
    changed_fields text[] not null default '{}',
    operation_id text not null,
    request_id text not null,
    outcome text not null check (outcome in ('succeeded', 'denied', 'failed'))
);
create index audit_log_entity_idx on audit_log (organization_id, entity_type, entity_id);

-- What erasure may remove stands apart from what must stay. No foreign key: checking one locks the
-- row it refers to, which takes the privilege to update it, and nobody has that.
create table audit_personal (
    audit_id uuid primary key,
    organization_id bigint not null,
    ip inet,
    user_agent text
);

-- The audit row is the outbox: what stands here has not been acknowledged by Telemetry yet.
create table audit_outbox (
    seq bigint generated always as identity primary key,
    audit_id uuid not null,
    organization_id bigint not null,
    -- a forwarder that died with a batch in hand loses it to the next one after this moment
    leased_until timestamptz
);

create function audit_refuse() returns trigger language plpgsql as $$
begin
    raise exception 'audit_log is append-only' using errcode = 'insufficient_privilege';
end $$;
create trigger audit_log_append_only before update or delete on audit_log
    for each row execute function audit_refuse();
create trigger audit_log_no_truncate before truncate on audit_log
    for each statement execute function audit_refuse();

alter table audit_log enable row level security;
alter table audit_log force row level security;
create policy audit_log_owner on audit_log to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy audit_log_append on audit_log for insert to restartix_app
    with check (organization_id = (select context_organization()));
create policy audit_log_read on audit_log for select to restartix_app
    using (organization_id = (select context_organization()) and (select context_role()) = 'admin');
revoke update, delete, truncate on audit_log from restartix;
grant insert, select on audit_log to restartix_app;

alter table audit_personal enable row level security;
alter table audit_personal force row level security;
create policy audit_personal_owner on audit_personal to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy audit_personal_append on audit_personal for insert to restartix_app
    with check (organization_id = (select context_organization()));
create policy audit_personal_read on audit_personal for select to restartix_app
    using (organization_id = (select context_organization()) and (select context_role()) = 'admin');
grant insert, select on audit_personal to restartix_app;

alter table audit_outbox enable row level security;
alter table audit_outbox force row level security;
create policy audit_outbox_owner on audit_outbox to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy audit_outbox_append on audit_outbox for insert to restartix_app
    with check (organization_id = (select context_organization()));
grant insert on audit_outbox to restartix_app;

-- Audit and outbox rows of one transaction in one call, so that the caller can send it together
-- with the COMMIT in a single message. The payload is hexadecimal: a text of [0-9a-f] can be put
-- into a statement without any quoting to get wrong.
create function audit_append(payload text) returns void language plpgsql set search_path = pg_catalog, public as $$
declare
    events constant jsonb := convert_from(decode(payload, 'hex'), 'UTF8')::jsonb;
begin
    insert into audit_log (id, occurred_at, organization_id, actor_kind, actor_user_id, action, entity_type,
                           entity_id, changed_fields, operation_id, request_id, outcome)
    select e.id, e.occurred_at, e.organization_id, e.actor_kind, e.actor_user_id, e.action, e.entity_type,
           e.entity_id, coalesce(e.changed_fields, '{}'), e.operation_id, e.request_id, e.outcome
    from jsonb_to_recordset(events) as e (
        id uuid, occurred_at timestamptz, organization_id bigint, actor_kind text, actor_user_id bigint, action text,
        entity_type text, entity_id text, changed_fields text[], operation_id text, request_id text, outcome text);

    insert into audit_personal (audit_id, organization_id, ip, user_agent)
    select e.id, e.organization_id, e.ip, e.user_agent
    from jsonb_to_recordset(events) as e (id uuid, organization_id bigint, ip inet, user_agent text)
    where e.ip is not null or e.user_agent is not null;

    insert into audit_outbox (audit_id, organization_id)
    select e.id, e.organization_id
    from jsonb_to_recordset(events) as e (id uuid, organization_id bigint)
    order by e.id;
end $$;
