-- Whom an administrator means who wants to add somebody, kept from going meanwhile: who waited for
-- the row looks at it again, and an account that was closed is nobody any more.
create or replace function user_find(by_id bigint, by_email bytea) returns bigint
language sql volatile security definer set search_path = pg_catalog, public as $$
    select u.id from users u
    where context_role() in ('admin', 'superadmin') and u.deleted_at is null
      and (u.id = by_id or u.email_index = by_email)
    order by u.clerk_event_at desc nulls last, u.id desc
    limit 1
    for share of u
$$;

-- With an organization in the context, that one and no other: an administrator who acts as a patient
-- must not learn where else the patient is known.
create or replace function visible_organizations() returns setof organizations
language sql stable security definer set search_path = pg_catalog, public as $$
    select o.* from organizations o
    where (context_organization() is null or o.id = context_organization())
      and (context_role() = 'superadmin'
           or exists (select from memberships m where m.organization_id = o.id and m.user_id = context_user()))
$$;

-- What an organization is called is remembered with its members; everybody is looked up again.
create function organization_notify() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    perform pg_notify('identity_changed', 'user:all');
    return null;
end $$;
create trigger organizations_notify after update of name, slug on organizations
    for each row execute function organization_notify();
