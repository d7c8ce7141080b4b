-- The trail becomes a chain an organization: each link's hash covers an event and the hash of the link
-- before. docs/AUDIT-CHAIN.md says what is hashed, and how to check it without this service.

alter table audit.audit_logs
    add column actor_api_key_id bigint,
    -- For what touched many things at once, such as a search of this very trail.
    add column entity_ids text[] not null default '{}',
    add constraint audit_logs_entity_ids_check check (cardinality(entity_ids) <= 1000),
    drop constraint audit_logs_actor_kind_check,
    add constraint audit_logs_actor_kind_check check (actor_kind in ('user', 'api_key', 'system', 'anonymous'));
create index audit_logs_impersonator on audit.audit_logs (organization_id, impersonator_user_id, id)
    where impersonator_user_id is not null;

-- What a link holds of the personal values is a digest of salt and value. The salt goes with the values:
-- without it nobody can find out by trying which address a digest is of.
alter table audit.audit_personal add column salt bytea;
update audit.audit_personal set salt = uuid_send(gen_random_uuid());
alter table audit.audit_personal
    alter column salt set default uuid_send(gen_random_uuid()),
    alter column salt set not null;

-- Events that wait for their link. An event enters in the transaction that stores it and leaves in the
-- one that seals it: whenever a transaction becomes visible, nothing of it can have been passed over.
create table audit.audit_pending (
    organization_id bigint not null check (organization_id >= 0),
    arrival bigint not null generated always as identity,
    audit_id uuid not null,
    primary key (organization_id, arrival)
);

create table audit.audit_chain (
    organization_id bigint not null check (organization_id >= 0),
    -- From 1, without gaps.
    position bigint not null check (position > 0),
    audit_id uuid not null,
    -- The hash of the link before; zeros for the first.
    previous bytea not null check (octet_length(previous) = 32),
    hash bytea not null check (octet_length(hash) = 32),
    ip_digest bytea check (octet_length(ip_digest) = 32),
    user_agent_digest bytea check (octet_length(user_agent_digest) = 32),
    -- Which version of the canonical form was hashed.
    encoding smallint not null,
    -- Never earlier than that of the link before.
    sealed_at timestamptz not null,
    primary key (organization_id, position),
    unique (organization_id, audit_id)
);

-- The last link of each day (UTC) on which there was one, signed: kept elsewhere, it shows whether the
-- end of a chain was cut off or all of it written anew.
create table audit.audit_heads (
    organization_id bigint not null check (organization_id >= 0),
    day date not null,
    position bigint not null check (position > 0),
    audit_id uuid not null,
    hash bytea not null check (octet_length(hash) = 32),
    signed_at timestamptz not null,
    -- The name of the key, and the compact JWS.
    kid text not null,
    statement text not null,
    primary key (organization_id, day)
);
create index audit_heads_position on audit.audit_heads (organization_id, position);

-- Where a chain begins whose first months were dropped: a signed head.
create table audit.audit_starts (
    organization_id bigint not null primary key check (organization_id >= 0),
    position bigint not null,
    hash bytea not null check (octet_length(hash) = 32)
);

insert into audit.audit_pending (organization_id, audit_id)
    select organization_id, id from audit.audit_logs order by received_at, id;

-- Whoever stores events, they wait for their link. The application role may not write here itself.
create function audit.seal_request() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
    insert into audit.audit_pending (organization_id, audit_id) select organization_id, id from stored order by id;
    return null;
end
$$;
create trigger audit_logs_seal after insert on audit.audit_logs
    referencing new table as stored for each statement execute function audit.seal_request();

-- A link is kept as long as its event, and longer while no signed head stands for it.
create function audit.chain_protect() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
    if exists (select from audit.audit_starts
               where organization_id = old.organization_id and position >= old.position)
        and not exists (select from audit.audit_logs where id = old.audit_id) then
        return old;
    end if;
    raise exception 'the audit trail is append-only: % on % refused', tg_op, tg_table_name
        using errcode = 'insufficient_privilege';
end
$$;
create trigger audit_chain_append_only before update on audit.audit_chain
    for each row execute function audit.change_refuse();
create trigger audit_chain_kept before delete on audit.audit_chain
    for each row execute function audit.chain_protect();
create trigger audit_chain_no_truncate before truncate on audit.audit_chain
    for each statement execute function audit.change_refuse();
create trigger audit_heads_append_only before update or delete on audit.audit_heads
    for each row execute function audit.change_refuse();
create trigger audit_heads_no_truncate before truncate on audit.audit_heads
    for each statement execute function audit.change_refuse();

-- A chain begins at one of its heads, and only ever later.
create function audit.start_protect() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
    if exists (select from audit.audit_heads
               where organization_id = new.organization_id and position = new.position and hash = new.hash)
        and (tg_op = 'INSERT' or (old.organization_id = new.organization_id and old.position <= new.position)) then
        return new;
    end if;
    raise exception 'a chain begins at a signed head, and never earlier than before'
        using errcode = 'insufficient_privilege';
end
$$;
create trigger audit_starts_forward before insert or update on audit.audit_starts
    for each row execute function audit.start_protect();
create trigger audit_starts_kept before delete on audit.audit_starts
    for each row execute function audit.change_refuse();
create trigger audit_starts_no_truncate before truncate on audit.audit_starts
    for each statement execute function audit.change_refuse();

-- Personal values are never altered. They are removed by the erasure of a person, or after their event.
create function audit.personal_protect() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
    if current_setting('audit.erasing', true) = 'on'
        or not exists (select from audit.audit_logs where id = old.audit_id) then
        return old;
    end if;
    raise exception 'personal values of the audit trail are only erased: % refused', tg_op
        using errcode = 'insufficient_privilege';
end
$$;
create trigger audit_personal_unaltered before update on audit.audit_personal
    for each row execute function audit.change_refuse();
create trigger audit_personal_erased before delete on audit.audit_personal
    for each row execute function audit.personal_protect();
create trigger audit_personal_no_truncate before truncate on audit.audit_personal
    for each statement execute function audit.change_refuse();

-- Drops a month of the trail that is over, provided that a signed head stands for every event in it;
-- its chains then begin at those heads. Returns whether it did. What is left of it elsewhere is for
-- audit.remains_drop.
create function audit.partition_drop(month date) returns boolean
language plpgsql set search_path = pg_catalog set lock_timeout = '5s' as $$
declare
    name text := 'audit_logs_' || to_char(month, 'YYYYMM');
    low uuid := audit.uuid_floor(date_trunc('month', month::timestamp) at time zone 'UTC');
    high uuid := audit.uuid_floor((date_trunc('month', month::timestamp) + interval '1 month') at time zone 'UTC');
    starts audit.audit_starts[];
begin
    perform pg_advisory_xact_lock(hashtextextended('audit.partitions_ensure', 0));
    if to_regclass('audit.' || name) is null or high > audit.uuid_floor(now()) then
        return false;
    end if;
    -- No head is added from here on, so that what comes after the check is unsigned.
    lock table audit.audit_heads in share mode;
    if exists (select from audit.audit_logs log
               where log.id >= low and log.id < high
                 and not exists (select from audit.audit_chain link
                                 join audit.audit_heads head on head.organization_id = link.organization_id
                                     and head.position >= link.position
                                 where link.organization_id = log.organization_id
                                   and link.audit_id = log.id)) then
        return false;
    end if;
    starts := array(
        select row(last.organization_id, head.position, head.hash)::audit.audit_starts
        from (select link.organization_id, max(link.position) as position
              from audit.audit_logs log
              join audit.audit_chain link on link.organization_id = log.organization_id and link.audit_id = log.id
              where log.id >= low and log.id < high
              group by link.organization_id) last
        cross join lateral (select position, hash from audit.audit_heads
                            where organization_id = last.organization_id and position >= last.position
                            order by position limit 1) head);
    -- All that takes long is done: ingest waits for what follows. Whoever still brings an event of that
    -- month waits, and then finds the default partition.
    lock table audit.audit_logs in access exclusive mode;
    -- Brought meanwhile, it waits for its link, or has one after the last head.
    if exists (select from audit.audit_pending where audit_id >= low and audit_id < high)
        or exists (
            with recursive organization(id) as (
                (select organization_id from audit.audit_chain order by organization_id limit 1)
                union all
                select (select link.organization_id from audit.audit_chain link
                        where link.organization_id > organization.id
                        order by link.organization_id limit 1)
                from organization where organization.id is not null
            )
            select from organization
            join audit.audit_chain link on link.organization_id = organization.id
                and link.position > coalesce((select max(head.position) from audit.audit_heads head
                                              where head.organization_id = organization.id), 0)
            where link.audit_id >= low and link.audit_id < high) then
        return false;
    end if;
    insert into audit.audit_starts as start (organization_id, position, hash)
        select organization_id, position, hash from unnest(starts)
    on conflict (organization_id) do update set position = excluded.position, hash = excluded.hash
        where excluded.position > start.position;
    execute format('drop table audit.%I', name);
    return true;
end
$$;

-- Removes what is left of the months that ended `kept` months ago or longer and were dropped: links
-- before the start of their chain, and personal values. Returns how many rows. In a transaction of its
-- own, for ingest waits for the one that drops; and each time, in case that an earlier one was cut off.
create function audit.remains_drop(kept integer) returns bigint
language plpgsql set search_path = pg_catalog as $$
declare
    high uuid := audit.uuid_floor(
        (date_trunc('month', now() at time zone 'UTC') - make_interval(months => kept)) at time zone 'UTC');
    links bigint;
    personal bigint;
begin
    delete from audit.audit_chain link using audit.audit_starts start
        where link.organization_id = start.organization_id and link.position <= start.position
          and link.audit_id < high
          and not exists (select from audit.audit_logs where id = link.audit_id);
    get diagnostics links = row_count;
    delete from audit.audit_personal entry
        where entry.audit_id < high and not exists (select from audit.audit_logs where id = entry.audit_id);
    get diagnostics personal = row_count;
    return links + personal;
end
$$;

-- The months that have a partition and ended `kept` months ago or longer, oldest first.
create function audit.partitions_expired(kept integer) returns setof date
language sql stable set search_path = pg_catalog as $$
    select month from (
        select to_date(right(relname, 6), 'YYYYMM') as month
        from pg_class join pg_inherits on inhrelid = pg_class.oid
        where inhparent = 'audit.audit_logs'::regclass and relname ~ '^audit_logs_[0-9]{6}$'
    ) partition
    where month < date_trunc('month', now() at time zone 'UTC') - make_interval(months => kept)
    order by month
$$;

alter table audit.audit_pending enable row level security;
alter table audit.audit_pending force row level security;
alter table audit.audit_chain enable row level security;
alter table audit.audit_chain force row level security;
alter table audit.audit_heads enable row level security;
alter table audit.audit_heads force row level security;
alter table audit.audit_starts enable row level security;
alter table audit.audit_starts force row level security;

create policy audit_pending_app on audit.audit_pending to restartix_telemetry_app
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));
create policy audit_chain_app on audit.audit_chain to restartix_telemetry_app
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));
create policy audit_heads_app on audit.audit_heads to restartix_telemetry_app
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));
create policy audit_starts_app on audit.audit_starts to restartix_telemetry_app
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));

create policy audit_pending_owner on audit.audit_pending to restartix_telemetry
    using ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
    with check ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));
create policy audit_chain_owner on audit.audit_chain to restartix_telemetry
    using ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
    with check ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));
create policy audit_heads_owner on audit.audit_heads to restartix_telemetry
    using ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
    with check ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));
create policy audit_starts_owner on audit.audit_starts to restartix_telemetry
    using ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
    with check ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));

grant select on audit.audit_pending, audit.audit_chain, audit.audit_heads, audit.audit_starts
    to restartix_telemetry_app;

-- Reading the trail is itself in the trail: a reader adds that it read, and nothing else.
drop policy audit_logs_app on audit.audit_logs;
create policy audit_logs_app_read on audit.audit_logs for select to restartix_telemetry_app
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));
create policy audit_logs_app_add on audit.audit_logs for insert to restartix_telemetry_app
    with check (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and actor_user_id = (select nullif(current_setting('app.current_user_id', true), '')::bigint)
        and actor_kind = 'user' and action = 'read' and entity_type = 'audit_log');
grant insert on audit.audit_logs, audit.audit_personal to restartix_telemetry_app;
