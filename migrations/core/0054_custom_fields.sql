-- Fields that a clinic adds to the profiles of its patients, specialists and appointments, and to its own (decision
-- 51).
set local lock_timeout = '5s';

-- A field and its present version. Whoever reads its values, and whoever writes them, is listed by role; an
-- administrator always is. An API key reads and writes as the front desk does.
create table custom_fields (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    entity text not null check (entity in ('patient', 'specialist', 'appointment', 'organization')),
    key text not null check (key ~ '^[a-z][a-z0-9_]{0,62}$'),
    version integer not null default 1 check (version > 0),
    phi boolean not null,
    readable_by text[] not null,
    writable_by text[] not null,
    archived_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint custom_fields_tenant_key unique (organization_id, id),
    -- also of archived fields: values, exports and integrations know a field by its key
    constraint custom_fields_key unique (organization_id, entity, key),
    -- what values repeat of their field
    constraint custom_fields_place_key unique (organization_id, id, entity, key),
    constraint custom_fields_roles_check check (
        readable_by <@ array['admin', 'specialist', 'staff', 'patient'] and 'admin' = any (readable_by)
        and writable_by <@ readable_by and 'admin' = any (writable_by))
);

-- Every definition that a field has had. A value keeps the version that it was given under, and form templates refer to
-- versions, so a version is neither changed nor deleted, whoever asks; it goes with a field that nothing refers to.
create table custom_field_versions (
    id bigint generated always as identity primary key,
    organization_id bigint not null,
    custom_field_id bigint not null,
    version integer not null check (version > 0),
    field_type text not null,
    phi boolean not null,
    definition jsonb not null,
    readable_by text[] not null,
    writable_by text[] not null,
    created_at timestamptz not null default now(),
    constraint custom_field_versions_version_key unique (organization_id, custom_field_id, version),
    -- what values repeat of their version
    constraint custom_field_versions_phi_key unique (organization_id, custom_field_id, version, phi),
    constraint custom_field_versions_field_fkey foreign key (organization_id, custom_field_id)
        references custom_fields (organization_id, id) on delete cascade,
    constraint custom_field_versions_definition_check check (
        coalesce(definition ->> 'field_type' = field_type and (definition ->> 'phi')::boolean = phi, false))
);

create function custom_field_version_refuse() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    -- The foreign key deletes the versions after their field.
    if tg_op = 'DELETE' then
        if not exists (select from custom_fields f
                       where f.organization_id = old.organization_id and f.id = old.custom_field_id) then
            return old;
        end if;
    end if;
    raise exception 'versions of custom fields stay as they are' using errcode = 'restrict_violation';
end $$;
create trigger custom_field_versions_frozen before update or delete on custom_field_versions
    for each row execute function custom_field_version_refuse();
create trigger custom_field_versions_no_truncate before truncate on custom_field_versions
    for each statement execute function custom_field_version_refuse();

-- Ids of the fields whose values the context's role reads. A key gets no protected health information but that of
-- patients' profiles, for which it has a scope. Runs as the owner: patients see no definitions beyond their own
-- fields'.
create function fields_readable() returns bigint[]
language sql stable security definer set search_path = pg_catalog, public
begin atomic
    select coalesce(array_agg(f.id), '{}')
    from custom_fields f
    where f.organization_id = context_organization()
      and case when context_role() = 'api_key' then 'staff' = any (f.readable_by) and (f.entity = 'patient' or not f.phi)
               else context_role() = any (f.readable_by) end;
end;

-- Ids of the fields whose values the context's role writes.
create function fields_writable() returns bigint[]
language sql stable security definer set search_path = pg_catalog, public
begin atomic
    select coalesce(array_agg(f.id), '{}')
    from custom_fields f
    where f.organization_id = context_organization() and f.archived_at is null
      and case when context_role() = 'api_key' then 'staff' = any (f.writable_by) and (f.entity = 'patient' or not f.phi)
               else context_role() = any (f.writable_by) end;
end;
revoke execute on function fields_readable(), fields_writable() from public;
grant execute on function fields_readable(), fields_writable() to restartix_app;

select tenant_table('custom_fields',
    'select, insert (organization_id, entity, key, phi, readable_by, writable_by),
     update (version, phi, readable_by, writable_by, archived_at, updated_at), delete',
    reads => $$(select context_role() in ('admin', 'specialist', 'staff', 'api_key'))
               or id = any ((select fields_readable())::bigint[])$$);
select tenant_table('custom_field_versions',
    'select, insert (organization_id, custom_field_id, version, field_type, phi, definition, readable_by, writable_by)',
    reads => $$(select context_role() in ('admin', 'specialist', 'staff', 'api_key'))
               or custom_field_id = any ((select fields_readable())::bigint[])$$);
