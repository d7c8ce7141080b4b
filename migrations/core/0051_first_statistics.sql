-- Statistics of tables that have none yet: no row is deleted, and all are of one organization. Without any, PostgreSQL takes
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
    join (values ('deleted_at', 1::real, 0::real), ('organization_id', 0::real, 1::real)) as s (column_name, null_frac, n_distinct)
        on s.column_name = a.attname
    where n.nspname = 'public' and c.relkind = 'r' and c.relowner = current_user::regrole and c.reltuples <= 0;
end $$;

-- A row of any table is of the one organization that the planner has in mind. Where each of a few rows was of another
-- organization, ANALYZE concludes that the organization identifies a row; every index that begins with it then seems as good
-- as the one that also has the key. The next ANALYZE of a table applies this.
do $$
declare
    tenant regclass;
begin
    for tenant in
        select c.oid from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relowner = current_user::regrole
    loop
        execute format('alter table %s alter column organization_id set (n_distinct = 1)', tenant);
    end loop;
end $$;
