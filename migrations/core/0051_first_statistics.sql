-- Statistics of tables that have none yet: no row is deleted, and one row in ten is of an organization. Without any, PostgreSQL takes
-- one row in 200 to be of an organization and one in 200 not to be deleted, so that in a table of some hundred rows every
-- index seems to lead to one row; a connection keeps the plans that it makes then (decision 50). The first ANALYZE of a table
-- with rows replaces them.
do $$
begin
    perform pg_restore_attribute_stats(
        'schemaname', n.nspname::text, 'relname', c.relname::text, 'attname', a.attname::text, 'inherited', false,
        'null_frac', s.null_frac, 'n_distinct', s.n_distinct)
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
    join (values ('deleted_at', 1::real, 0::real), ('organization_id', 0::real, 10::real)) as s (column_name, null_frac, n_distinct)
        on s.column_name = a.attname
    where n.nspname = 'public' and c.relkind = 'r' and c.relowner = (select oid from pg_roles where rolname = current_user) and c.reltuples <= 0;
end $$;

-- One row in ten is of the organization that the planner has in mind, whatever ANALYZE finds. Where each of a few rows was of
-- another organization, it would conclude that the organization identifies a row, and every index that begins with it would
-- seem as good as the one that also has the key. Ten is few enough for that, and so many that an index without the organization
-- never seems the shorter way to the rows of one. The next ANALYZE of a table applies this.
do $$
declare
    tenant regclass;
begin
    for tenant in
        select c.oid from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
          and c.relowner = (select oid from pg_roles where rolname = current_user)
    loop
        execute format('alter table %s alter column organization_id set (n_distinct = 10)', tenant);
    end loop;
end $$;

-- As before, with that setting.
create or replace function tenant_table(
    relation regclass,
    grants text,
    reads text default 'true',
    writes text default '(select context_role()) = ''admin'''
) returns void language plpgsql set search_path = pg_catalog, public as $$
declare
    name constant text := (select relname from pg_class where oid = relation);
    own constant text := 'organization_id = (select context_organization())';
begin
    if not exists (select from pg_attribute
                   where attrelid = relation and attname = 'organization_id' and attnotnull and not attisdropped) then
        raise exception '% is no tenant''s: give it a column organization_id that is not null', relation;
    end if;
    execute format('alter table %s enable row level security, force row level security', relation);
    execute format('create policy %1$I on %2$s to restartix using (%3$s) with check (%3$s)',
                   name || '_owner', relation, format('(select context_organization()) is null or %s', own));
    execute format('create policy %1$I on %2$s for select to restartix_app using (%3$s)',
                   name || '_read', relation, format('%s and (%s)', own, reads));
    -- One for each verb: a policy for all of them would let `writes` decide on reading, too.
    execute format('create policy %1$I on %2$s for insert to restartix_app with check (%3$s)',
                   name || '_insert', relation, format('%s and (%s)', own, writes));
    execute format('create policy %1$I on %2$s for update to restartix_app using (%3$s) with check (%3$s)',
                   name || '_update', relation, format('%s and (%s)', own, writes));
    execute format('create policy %1$I on %2$s for delete to restartix_app using (%3$s)',
                   name || '_delete', relation, format('%s and (%s)', own, writes));
    execute format('grant %s on %s to restartix_app', grants, relation);
    execute format('alter table %s alter column organization_id set (n_distinct = 10)', relation);
end $$;
