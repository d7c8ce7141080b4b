-- What the identity provider tells of users: events come unordered and repeated, so each row knows
-- which event it is the state of, and an older one changes nothing.
alter table users
    -- ciphertexts are bound to it; clerk_id is the provider's, and erasure replaces it
    add column uid uuid not null default gen_random_uuid(),
    -- a key for each user's personal data, wrapped by the installation's key; destroyed with the user
    add column data_key_wrapped bytea,
    add column email_encrypted bytea,
    -- not unique: when an address moves from one user to another, the news may come in either order
    add column email_index bytea,
    add column clerk_event_at timestamptz,
    -- of two events of one moment, the one with the greater id counts, so that their order doesn't matter
    add column clerk_event_id text,
    -- final: what comes later of such a user changes nothing
    add column deleted_at timestamptz,
    add constraint users_uid_key unique (uid),
    add constraint users_deleted_check check (deleted_at is null or (data_key_wrapped is null and email_encrypted is null
                                                                     and email_index is null and not superadmin));
create index users_email_idx on users (email_index) where email_index is not null;

-- Which events have been processed: a row in the transaction of what the event did. Kept longer than
-- the provider goes on sending one again.
create table clerk_events (
    id text primary key check (length(id) between 1 and 200),
    received_at timestamptz not null default now()
);
create index clerk_events_received_at_idx on clerk_events (received_at);

-- Sessions that ended before their tokens did. Kept for as long as a token of one can be valid.
create table revoked_sessions (
    sid text primary key check (length(sid) between 1 and 200),
    revoked_at timestamptz not null,
    expires_at timestamptz not null
);
create index revoked_sessions_expires_at_idx on revoked_sessions (expires_at);

-- No tenant's, and none of the application role's business: it has no privilege on either.
alter table clerk_events enable row level security;
alter table clerk_events force row level security;
create policy clerk_events_owner on clerk_events to restartix using (true) with check (true);

alter table revoked_sessions enable row level security;
alter table revoked_sessions force row level security;
create policy revoked_sessions_owner on revoked_sessions to restartix using (true) with check (true);

-- Every process remembers whether the sessions it sees have ended; whoever writes here, it hears of it.
create function session_notify() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    perform pg_notify('identity_changed', 'session:' || new.sid);
    return null;
end $$;
create trigger revoked_sessions_notify after insert on revoked_sessions
    for each row execute function session_notify();

-- A clinic may be an organization of the provider's too: whoever accepts an invitation there is a
-- member here.
alter table organizations
    add column clerk_id text constraint organizations_clerk_key unique check (clerk_id ~ '^org_[A-Za-z0-9]+$');

-- Administrators decide who belongs to their clinic.
create policy memberships_write on memberships to restartix_app
    using (organization_id = (select context_organization()) and (select context_role()) = 'admin')
    with check (organization_id = (select context_organization()) and (select context_role()) = 'admin');
grant insert, update (role), delete on memberships to restartix_app;

-- The members of the organization at hand, for who administers it. Runs as the owner, because a
-- person's row is its own and nobody else's.
create function organization_members() returns table (
    user_id bigint, uid uuid, name text, data_key_wrapped bytea, email_encrypted bytea, role text, since timestamptz)
language sql stable security definer set search_path = pg_catalog, public as $$
    select u.id, u.uid, u.name, u.data_key_wrapped, u.email_encrypted, m.role, m.created_at
    from memberships m join users u on u.id = m.user_id
    where m.organization_id = context_organization() and context_role() in ('admin', 'superadmin')
$$;

-- Whom an administrator means who wants to add somebody: by id, or by the hash of an address. Where
-- an address has just moved from one user to another, the one of whom that was heard last.
create function user_find(by_id bigint, by_email bytea) returns bigint
language sql stable security definer set search_path = pg_catalog, public as $$
    select u.id from users u
    where context_role() in ('admin', 'superadmin') and u.deleted_at is null
      and (u.id = by_id or u.email_index = by_email)
    order by u.clerk_event_at desc nulls last, u.id desc
    limit 1
$$;
