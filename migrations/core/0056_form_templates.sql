-- Form templates. Each has one draft, which administrators change, and published versions, which nobody changes.
set local lock_timeout = '5s';
create table form_templates (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    name text not null check (length(name) between 1 and 200),
    slug text not null check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 60),
    description text not null default '',
    -- counts the changes of this row, so that two people don't undo each other's; publishing is none
    version bigint not null default 1 check (version > 0),
    -- the draft as it was written, the custom fields that it refers to as they are defined in these versions, and the
    -- faults for which it can't be published
    definition jsonb not null,
    fields jsonb not null,
    faults jsonb not null,
    -- SHA-256 of the definition by RFC 8785
    definition_hash bytea not null check (octet_length(definition_hash) = 32),
    -- the last version, and the hash of the draft that it was made of; null before the first
    published_version integer check (published_version > 0),
    published_at timestamptz,
    published_hash bytea,
    -- forms keep referring to it
    archived_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    name_folded text,
    name_sort bytea,
    name_keys_version integer,
    constraint form_templates_tenant_key unique (organization_id, id),
    constraint form_templates_published_check
        check (num_nulls(published_version, published_at, published_hash) in (0, 3))
);
create unique index form_templates_slug_key on form_templates (organization_id, slug) where archived_at is null;
create unique index form_templates_folded_key on form_templates (organization_id, name_folded)
    where archived_at is null and name_folded is not null;
create index form_templates_sort_idx on form_templates (organization_id, name_sort, id);
create trigger form_templates_name_keys before update of name on form_templates
    for each row when (new.name is distinct from old.name and new.name_sort is not distinct from old.name_sort)
    execute function name_keys_outdated();
select tenant_table('form_templates',
                    'select,
                     insert (organization_id, name, slug, description, definition, fields, faults, definition_hash,
                             name_folded, name_sort, name_keys_version),
                     update (name, slug, description, version, definition, fields, faults, definition_hash,
                             published_version, published_at, published_hash, archived_at, updated_at, name_folded,
                             name_sort, name_keys_version),
                     delete',
                    reads => '(select context_role()) in (''admin'', ''specialist'', ''staff'', ''api_key'')');

-- Custom fields that a draft refers to: such a field is in use, so deleting it archives it.
create table form_template_draft_fields (
    organization_id bigint not null references organizations (id),
    form_template_id bigint not null,
    custom_field_id bigint not null,
    custom_field_version integer not null,
    primary key (organization_id, form_template_id, custom_field_id, custom_field_version),
    constraint form_template_draft_fields_template_fkey foreign key (organization_id, form_template_id)
        references form_templates (organization_id, id) on delete cascade,
    constraint form_template_draft_fields_field_fkey
        foreign key (organization_id, custom_field_id, custom_field_version)
        references custom_field_versions (organization_id, custom_field_id, version)
);
create index form_template_draft_fields_field_idx
    on form_template_draft_fields (organization_id, custom_field_id, custom_field_version);
select tenant_table('form_template_draft_fields', 'select, insert, delete',
                    reads => '(select context_role()) in (''admin'', ''specialist'', ''staff'', ''api_key'')');

-- Published versions alone: the draft is in form_templates, so that a template without versions can be deleted.
create table form_template_versions (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    form_template_id bigint not null,
    version integer not null,
    -- whatever a form shows, as it was hashed: definition, language, custom fields, scores without protection
    content jsonb not null,
    content_hash bytea not null,
    published_at timestamptz not null default now(),
    constraint form_template_versions_template_fkey foreign key (organization_id, form_template_id)
        references form_templates (organization_id, id)
);
select published_versions('form_template_versions', 'form_template_id');
select tenant_table('form_template_versions',
                    'select, insert (organization_id, form_template_id, version, content, content_hash)',
                    reads => '(select context_role()) in (''admin'', ''specialist'', ''staff'', ''api_key'')');

-- Custom fields that a version refers to.
create table form_template_version_fields (
    organization_id bigint not null references organizations (id),
    form_template_id bigint not null,
    version integer not null,
    custom_field_id bigint not null,
    custom_field_version integer not null,
    primary key (organization_id, form_template_id, version, custom_field_id, custom_field_version),
    constraint form_template_version_fields_version_fkey foreign key (organization_id, form_template_id, version)
        references form_template_versions (organization_id, form_template_id, version),
    constraint form_template_version_fields_field_fkey
        foreign key (organization_id, custom_field_id, custom_field_version)
        references custom_field_versions (organization_id, custom_field_id, version)
);
create index form_template_version_fields_field_idx
    on form_template_version_fields (organization_id, custom_field_id, custom_field_version);
create trigger form_template_version_fields_frozen before update or delete on form_template_version_fields
    for each row execute function published_version_refuse();
create trigger form_template_version_fields_no_truncate before truncate on form_template_version_fields
    for each statement execute function published_version_refuse();
select tenant_table('form_template_version_fields', 'select, insert',
                    reads => '(select context_role()) in (''admin'', ''specialist'', ''staff'', ''api_key'')');
