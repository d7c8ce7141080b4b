-- Whom an administrator means who wants to add somebody, as before; but by id only who is a member of
-- the organization or was one, or for whoever runs the platform. Ids can be counted through: anybody's
-- would make every clinic's administrators readers of a directory of the platform's users. The trail
-- says who was a member; and who was erased in the organization is nobody it knows.
create or replace function user_find(by_id bigint, by_email bytea) returns bigint
language sql volatile security definer set search_path = pg_catalog, public as $$
    select u.id from users u
    where context_role() in ('admin', 'superadmin') and u.deleted_at is null
      and (u.email_index = by_email
           or u.id = by_id
              and (context_role() = 'superadmin'
                   or exists (select from memberships m
                              where m.organization_id = context_organization() and m.user_id = u.id)
                   or exists (select from audit_log l
                              where l.organization_id = context_organization() and l.entity_type = 'membership'
                                and l.entity_id = u.id::text)
                      and not exists (select from audit_log l
                                      where l.organization_id = context_organization() and l.entity_type = 'user'
                                        and l.entity_id = u.id::text and l.action in ('erased', 'anonymized'))))
    order by u.clerk_event_at desc nulls last, u.id desc
    limit 1
    for share of u
$$;
