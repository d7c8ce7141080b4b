-- Keys of names: what uniqueness compares, what lists sort by, and the version of the rules that made both. The service
-- computes them. They are null in rows that were written without them; such rows sort last until they get theirs.
do $$
declare
    named text;
begin
    foreach named in array '{organizations,users,specialties,specialists,appointment_templates}'::text[] loop
        execute format('alter table %I add column name_folded text, add column name_sort bytea,
                                       add column name_keys_version integer', named);
        -- As with patients: a name that changes without its keys loses them.
        execute format('create trigger %I before update of name on %I
                        for each row when (new.name is distinct from old.name
                                           and new.name_sort is not distinct from old.name_sort)
                        execute function name_keys_outdated()', named || '_name_keys', named);
    end loop;
end $$;

grant update (name_folded, name_sort, name_keys_version) on organizations to restartix_app;
grant insert (name_folded, name_sort, name_keys_version), update (name_folded, name_sort, name_keys_version)
    on specialties to restartix_app;
grant insert (name_folded, name_sort, name_keys_version), update (name_folded, name_sort, name_keys_version)
    on specialists to restartix_app;
grant insert (name_folded, name_sort, name_keys_version), update (name_folded, name_sort, name_keys_version)
    on appointment_templates to restartix_app;

-- `specialties_name_key` stays beside it while rows without keys are written.
create unique index specialties_folded_key on specialties (organization_id, name_folded)
    where archived_at is null and name_folded is not null;

-- `specialists_list_idx` and `appointment_templates_list_idx` stay while processes of the version before sort by
-- `lower(name)`.
create index specialties_sort_idx on specialties (organization_id, name_sort, id);
create index specialists_sort_idx on specialists (organization_id, name_sort, id) where deleted_at is null;
create index appointment_templates_sort_idx on appointment_templates (organization_id, name_sort, id);
-- What the refresh looks for where there may be many rows.
create index users_name_keys_idx on users (name_keys_version);

-- With the key that the list is sorted by. The columns it had keep their names and types.
drop function organization_members();
create function organization_members() returns table (
    user_id bigint, uid uuid, name text, data_key_wrapped bytea, email_encrypted bytea, role text, since timestamptz,
    name_sort bytea)
language sql stable security definer set search_path = pg_catalog, public as $$
    select u.id, u.uid, u.name, u.data_key_wrapped, u.email_encrypted, m.role, m.created_at, u.name_sort
    from memberships m join users u on u.id = m.user_id
    where m.organization_id = context_organization() and context_role() in ('admin', 'superadmin')
$$;
