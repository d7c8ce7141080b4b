-- Makes a table hold drafts and published versions, for migrations that add one. `template` names its column that refers
-- to the template. The table has organization_id as well, and three columns that are null in a draft and set by publishing
-- it: version, content_hash (SHA-256 of the content) and published_at.
-- A template has one draft at most, and no two versions of a number. A published version is neither changed nor deleted,
-- whoever asks, the owner included; a draft may be.
create function published_versions(versions regclass, template name) returns void
    language plpgsql set search_path = pg_catalog, public as $$
declare
    relation constant text := (select relname from pg_class where oid = versions);
begin
    execute format('alter table %s
                        add constraint %I check (num_nulls(version, content_hash, published_at) in (0, 3)),
                        add constraint %I check (version > 0 and octet_length(content_hash) = 32)',
                   versions, relation || '_published_whole', relation || '_published_form');
    execute format('create unique index %I on %s (organization_id, %I) where published_at is null',
                   relation || '_one_draft', versions, template);
    execute format('create unique index %I on %s (organization_id, %I, version)',
                   relation || '_version', versions, template);
    execute format('create trigger %I before update or delete on %s
                        for each row when (old.published_at is not null) execute function published_version_refuse()',
                   relation || '_frozen', versions);
    execute format('create trigger %I before truncate on %s
                        for each statement execute function published_version_refuse()',
                   relation || '_no_truncate', versions);
end $$;
revoke execute on function published_versions(regclass, name) from public;

create function published_version_refuse() returns trigger language plpgsql as $$
begin
    raise exception 'published versions of % stay as they are', tg_table_name using errcode = 'restrict_violation';
end $$;
