-- A membership counts only once the person has accepted it. Whom a clinic invites is named by an id that
-- it knows, or by an address: then whoever has proved to own it. Nothing here says whether anybody has.
create table invitations (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    -- made by the service before the row exists: ciphertexts are bound to it
    uid uuid not null,
    kind text not null check (kind in ('membership', 'patient_link', 'specialist_link')),
    -- what the person is to be, where it is no member yet
    role text not null check (role in ('admin', 'specialist', 'staff', 'patient')),
    -- which record is to be the person's own
    patient_id bigint,
    specialist_id bigint,
    -- who is invited, or who has answered
    user_id bigint references users (id),
    -- the same hash as in users; null for who is invited by its id
    email_index bytea,
    email_encrypted bytea,
    -- a key of the row's own, wrapped by the installation's: rotation rewraps it
    data_key_wrapped bytea,
    invited_by bigint references users (id),
    -- one that has run out stays pending: no clock writes rows
    status text not null default 'pending' check (status in ('pending', 'accepted', 'declined', 'revoked')),
    expires_at timestamptz not null default now() + interval '14 days',
    ended_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint invitations_tenant_key unique (organization_id, id),
    constraint invitations_patient_fkey foreign key (organization_id, patient_id) references patients (organization_id, id),
    constraint invitations_specialist_fkey foreign key (organization_id, specialist_id)
        references specialists (organization_id, id),
    constraint invitations_record_check check (case kind
        when 'membership' then patient_id is null and specialist_id is null
        when 'patient_link' then patient_id is not null and specialist_id is null and role = 'patient'
        else specialist_id is not null and patient_id is null and role = 'specialist' end),
    constraint invitations_address_check check (num_nonnulls(email_index, email_encrypted, data_key_wrapped) in (0, 3)),
    constraint invitations_whom_check check (user_id is not null or email_index is not null),
    constraint invitations_ended_check check ((status = 'pending') = (ended_at is null))
);
-- Inviting somebody to the same again renews the invitation that is there.
create unique index invitations_email_key
    on invitations (organization_id, kind, email_index, coalesce(patient_id, specialist_id, 0))
    where status = 'pending' and email_index is not null;
create unique index invitations_user_key
    on invitations (organization_id, kind, user_id, coalesce(patient_id, specialist_id, 0))
    where status = 'pending' and user_id is not null;
-- An address is asked for in every clinic.
create index invitations_email_idx on invitations (email_index) where email_index is not null;
create index invitations_user_idx on invitations (user_id) where user_id is not null;
create index invitations_invited_by_idx on invitations (invited_by) where invited_by is not null;
create index invitations_patient_idx on invitations (organization_id, patient_id) where patient_id is not null;
create index invitations_specialist_idx on invitations (organization_id, specialist_id) where specialist_id is not null;
create index invitations_list_idx on invitations (organization_id, created_at, id);

alter table invitations enable row level security;
alter table invitations force row level security;
create policy invitations_owner on invitations to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy invitations_read on invitations for select to restartix_app
    using (organization_id = (select context_organization()) and (select context_role()) = 'admin');
-- An administrator invites in its own name, and takes back. Who is invited answers, and nobody else: what
-- has been answered is written by the owner, for the person at hand.
create policy invitations_create on invitations for insert to restartix_app
    with check (organization_id = (select context_organization()) and (select context_role()) = 'admin'
                and invited_by = (select context_user()) and status = 'pending'
                and expires_at <= now() + interval '14 days');
create policy invitations_change on invitations for update to restartix_app
    using (organization_id = (select context_organization()) and (select context_role()) = 'admin' and status = 'pending')
    with check (organization_id = (select context_organization()) and (select context_role()) = 'admin'
                and status in ('pending', 'revoked') and expires_at <= now() + interval '14 days');
grant select on invitations to restartix_app;
grant insert (organization_id, uid, kind, role, patient_id, specialist_id, user_id, email_index, email_encrypted,
              data_key_wrapped, invited_by) on invitations to restartix_app;
grant update (uid, role, email_encrypted, data_key_wrapped, invited_by, status, expires_at, ended_at, updated_at)
    on invitations to restartix_app;

-- Nobody becomes a member by an administrator's word alone any more: memberships are made where somebody
-- accepts. At once and not in a later release, for the old way is the hole; until the old version of the
-- service has gone, it is refused.
revoke insert on memberships from restartix_app;

-- The address of the user at hand; not where somebody was heard of later who has the same: it has moved.
create function context_address() returns bytea
language sql stable security definer set search_path = pg_catalog, public as $$
    select u.email_index from users u
    where u.id = context_user() and u.deleted_at is null
      and not exists (select from users o
                      where o.email_index = u.email_index and o.id <> u.id and o.deleted_at is null
                        and (coalesce(o.clerk_event_at, '-infinity'), o.id)
                            > (coalesce(u.clerk_event_at, '-infinity'), u.id))
$$;

-- What the user at hand is invited to, in every clinic where no organization is in the context. Whose the
-- record of a link is, is for who accepts it to see: an address may have been mistyped.
create function my_invitations() returns table (
    id bigint, kind text, organization_id bigint, organization_name text, role text, expires_at timestamptz)
language sql stable security definer set search_path = pg_catalog, public as $$
    select i.id, i.kind, i.organization_id, o.name, i.role, i.expires_at
    from invitations i join organizations o on o.id = i.organization_id
    where (i.user_id = context_user() or i.email_index = context_address())
      and i.status = 'pending' and i.expires_at > now()
$$;

-- Which member of the organization at hand has the address, for who administers it and sees both anyway.
create function member_by_address(by_email bytea) returns bigint
language sql stable security definer set search_path = pg_catalog, public as $$
    select u.id from users u join memberships m on m.user_id = u.id
    where m.organization_id = context_organization() and context_role() in ('admin', 'superadmin')
      and u.email_index = by_email and u.deleted_at is null
    order by u.clerk_event_at desc nulls last, u.id desc
    limit 1
$$;

-- Whom an administrator means by an id, as before; nobody is looked for by an address any more. Clinics
-- invite it, and learn nothing.
create or replace function user_find(by_id bigint, by_email bytea) returns bigint
language sql volatile security definer set search_path = pg_catalog, public as $$
    select u.id from users u
    where context_role() in ('admin', 'superadmin') and u.deleted_at is null and u.id = by_id
      and (context_role() = 'superadmin'
           or exists (select from memberships m
                      where m.organization_id = context_organization() and m.user_id = u.id)
           or exists (select from audit_log l
                      where l.organization_id = context_organization() and l.entity_type = 'membership'
                        and l.entity_id = u.id::text)
              and not exists (select from audit_log l
                              where l.organization_id = context_organization() and l.entity_type = 'user'
                                and l.entity_id = u.id::text and l.action in ('erased', 'anonymized')))
    for share of u
$$;

-- The right to invite ends with the role, and so does what it was used for: who has been removed must not
-- come back by an invitation of its own making. Who leaves is not invited any more either.
create function membership_end_invitations() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
    update invitations i set status = 'revoked', ended_at = now(), updated_at = now()
    where i.organization_id = old.organization_id and i.status = 'pending'
      and (i.invited_by = old.user_id
           or tg_op = 'DELETE'
              and (i.user_id = old.user_id
                   or i.email_index = (select u.email_index from users u where u.id = old.user_id)));
    return null;
end $$;
create trigger memberships_end_invitations_deleted after delete on memberships
    for each row execute function membership_end_invitations();
create trigger memberships_end_invitations_demoted after update of role on memberships
    for each row when (old.role = 'admin' and new.role <> 'admin') execute function membership_end_invitations();

-- Whose account has ended is invited no more, and its address is kept in no invitation, whatever has become of
-- that; unless it is somebody else's by now.
create function user_end_invitations() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
    delete from invitations i
    where i.user_id = old.id
       or i.email_index = old.email_index
          and not exists (select from users o where o.email_index = old.email_index and o.id <> old.id);
    return null;
end $$;
create trigger users_end_invitations after update of deleted_at on users
    for each row when (old.deleted_at is null and new.deleted_at is not null) execute function user_end_invitations();
