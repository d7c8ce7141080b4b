-- Makes a table a tenant's, for migrations that add one: enables and forces row-level security, makes the policies of both
-- roles, and grants the application role what `grants` lists, e.g. 'select, insert'. Without a context the owner reaches
-- every row, within one those of its organization. The application role reads those rows of the context's organization for
-- which `reads` holds, and writes those for which `writes` does: conditions on the row's own columns and the context. What
-- else a table needs (triggers, restrictive policies) stands beside the call.
create function ops.tenant_table(
    relation regclass,
    grants text,
    reads text default '(select current_setting(''app.current_role'', true) = ''admin'')',
    writes text default 'false'
) returns void language plpgsql set search_path = pg_catalog as $$
declare
    name constant text := (select relname from pg_class where oid = relation);
    organization constant text := '(select nullif(current_setting(''app.current_org_id'', true), '''')::bigint)';
begin
    if not exists (select from pg_attribute
                   where attrelid = relation and attname = 'organization_id' and attnotnull and not attisdropped) then
        raise exception '% is no tenant''s: give it a column organization_id that is not null', relation;
    end if;
    execute format('alter table %s enable row level security, force row level security', relation);
    execute format('create policy %1$I on %2$s to restartix_telemetry
                        using (%3$s is null or organization_id = %3$s)
                        with check (%3$s is null or organization_id = %3$s)',
                   name || '_owner', relation, organization);
    execute format('create policy %I on %s for select to restartix_telemetry_app using (organization_id = %s and (%s))',
                   name || '_app_read', relation, organization, reads);
    -- One for each verb: a policy for all of them would let `writes` decide on reading, too.
    execute format('create policy %1$I on %2$s for insert to restartix_telemetry_app
                        with check (organization_id = %3$s and (%4$s))',
                   name || '_app_insert', relation, organization, writes);
    execute format('create policy %1$I on %2$s for update to restartix_telemetry_app
                        using (organization_id = %3$s and (%4$s)) with check (organization_id = %3$s and (%4$s))',
                   name || '_app_update', relation, organization, writes);
    execute format('create policy %1$I on %2$s for delete to restartix_telemetry_app
                        using (organization_id = %3$s and (%4$s))',
                   name || '_app_delete', relation, organization, writes);
    execute format('grant %s on %s to restartix_telemetry_app', grants, relation);
end $$;
revoke execute on function ops.tenant_table(regclass, text, text, text) from public;
