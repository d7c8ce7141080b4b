-- Tokens that Core has called back: of a user, in one organization or in all (null), those that were issued
-- before. A row stays for as long as any token can live that it is about.
create table ops.access_revocations (
    user_id bigint not null check (user_id > 0),
    organization_id bigint check (organization_id > 0),
    not_before timestamptz not null,
    expires_at timestamptz not null,
    constraint access_revocations_key unique nulls not distinct (user_id, organization_id)
);
create index access_revocations_expires_at_idx on ops.access_revocations (expires_at);

-- Asked at the door, before there is a context: the application role has no privilege on it, nor on its schema.
alter table ops.access_revocations enable row level security;
alter table ops.access_revocations force row level security;
create policy access_revocations_owner on ops.access_revocations to restartix_telemetry using (true) with check (true);

-- Every process knows them by heart; whoever writes here, they hear of it. The payload is
-- `user:organization:not_before:expires_at`, the organization 0 for all of them, times in microseconds
-- since 1970.
create function ops.access_revocation_notify() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
    perform pg_notify('access_revoked', concat_ws(':', new.user_id, coalesce(new.organization_id, 0),
        (extract(epoch from new.not_before) * 1000000)::bigint, (extract(epoch from new.expires_at) * 1000000)::bigint));
    return null;
end
$$;
create trigger access_revocations_notify after insert or update on ops.access_revocations
    for each row execute function ops.access_revocation_notify();
