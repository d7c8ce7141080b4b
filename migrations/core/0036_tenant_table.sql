-- Makes a table a tenant's, for migrations that add one: enables and forces row-level security, makes the policies of both
-- roles, and grants the application role what `grants` lists, e.g. 'select, insert (organization_id, name), delete'.
-- Without a context the owner reaches every row, within one those of its organization. The application role reads those
-- rows of the context's organization for which `reads` holds, and writes those for which `writes` does: conditions on the
-- row's own columns and the context. What else a table needs (triggers, restrictive policies) stands beside the call.
create function tenant_table(
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
end $$;
revoke execute on function tenant_table(regclass, text, text, text) from public;
