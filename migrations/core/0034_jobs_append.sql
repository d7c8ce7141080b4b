-- The jobs that a write leaves, in the message that commits it: hexadecimal JSON, as audit_append takes it. Runs with the
-- rights of whoever calls it, so that policies decide which kinds a caller may leave.
create function jobs_append(payload text) returns void language sql set search_path = pg_catalog, public as $$
    insert into jobs (id, organization_id, kind, payload, key, created_by, keep_days)
    select j.id, j.organization_id, j.kind, j.payload, j.key, j.created_by, j.keep_days
    from jsonb_to_recordset(convert_from(decode(jobs_append.payload, 'hex'), 'UTF8')::jsonb)
         as j(id uuid, organization_id bigint, kind text, payload jsonb, key text, created_by bigint, keep_days integer)
    -- where a key is open in a transaction under way, it is waited for: in one order by everybody
    order by j.organization_id, j.kind, j.key
    on conflict do nothing
$$;
revoke execute on function jobs_append(text) from public;
grant execute on function jobs_append(text) to restartix_app;
