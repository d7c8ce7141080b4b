create table organizations (
    id bigint generated always as identity primary key,
    name text not null check (length(name) between 1 and 200),
    -- part of links and of the frontends' addresses, so it never changes by itself
    slug text not null constraint organizations_slug_key unique check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    -- an IANA zone; checked by the service, which has the same database of zones as the calendars
    timezone text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table users (
    id bigint generated always as identity primary key,
    -- the subject of the identity provider's tokens
    clerk_id text not null constraint users_clerk_id_key unique,
    name text not null default '',
    superadmin boolean not null default false,
    -- where a request goes that names no organization
    current_organization_id bigint references organizations (id) on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table memberships (
    organization_id bigint not null references organizations (id),
    user_id bigint not null references users (id),
    role text not null check (role in ('admin', 'specialist', 'staff', 'patient')),
    created_at timestamptz not null default now(),
    primary key (organization_id, user_id)
);
create index memberships_user_id_idx on memberships (user_id);

alter table organizations enable row level security;
alter table organizations force row level security;
create policy organizations_owner on organizations to restartix
    using ((select context_organization()) is null or id = (select context_organization()))
    with check ((select context_organization()) is null or id = (select context_organization()));
create policy organizations_read on organizations for select to restartix_app
    using (id = (select context_organization()));
create policy organizations_update on organizations for update to restartix_app
    using (id = (select context_organization()) and (select context_role()) = 'admin')
    with check (id = (select context_organization()));
grant select, update on organizations to restartix_app;

-- A person may belong to several organizations, so a user row is no tenant's; it is its person's.
alter table users enable row level security;
alter table users force row level security;
create policy users_owner on users to restartix using (true) with check (true);
create policy users_self on users to restartix_app
    using (id = (select context_user())) with check (id = (select context_user()));
grant select, update (current_organization_id, updated_at) on users to restartix_app;

alter table memberships enable row level security;
alter table memberships force row level security;
create policy memberships_owner on memberships to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy memberships_read on memberships for select to restartix_app
    using (organization_id = (select context_organization()));
grant select on memberships to restartix_app;

-- A caller is cached in every process that has seen it; whoever writes here, through which program
-- ever, the caches hear of it. The payload is the user's id. These tables change seldom, so the
-- lock that NOTIFY takes through commit costs nothing that matters.
create function identity_notify() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    if tg_op in ('UPDATE', 'DELETE') and old.user_id is not null then
        perform pg_notify('identity_changed', old.user_id::text);
    end if;
    if tg_op in ('INSERT', 'UPDATE') and new.user_id is not null then
        perform pg_notify('identity_changed', new.user_id::text);
    end if;
    return null;
end $$;

create function user_notify() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    perform pg_notify('identity_changed', coalesce(new.id, old.id)::text);
    return null;
end $$;

create trigger users_notify after insert or update or delete on users
    for each row execute function user_notify();
create trigger memberships_notify after insert or update or delete on memberships
    for each row execute function identity_notify();

-- The organizations of the user at hand, or every one for a superadmin. Runs as the owner, because a
-- context names one organization and the restricted role sees no other.
create function visible_organizations() returns setof organizations
language sql stable security definer set search_path = pg_catalog, public as $$
    select o.* from organizations o
    where context_role() = 'superadmin'
       or exists (select from memberships m where m.organization_id = o.id and m.user_id = context_user())
$$;
