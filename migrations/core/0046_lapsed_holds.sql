-- Finds the lapsed holds of an organization, of which there are few, without reading its other appointments.

-- The expression keeps the other indexes out: each of them that begins with organization_id would serve a comparison of
-- the column as well, and where statistics are older than the clinic's growth, the planner took one and read every
-- appointment of the clinic (decision 43). Building it reads the table once and writes next to nothing.
create index appointments_lapsed_idx on appointments ((case when status = 'held' then organization_id end), hold_expires_at)
    where status = 'held' and deleted_at is null;

-- As before: expires the lapsed holds of the specialists or the patient that overlap `wanted`, in one order for everybody.
-- Looks for lapsed holds first and writes only if there are any. The plans of both statements are made once for each
-- connection, whatever the statistics say; without sequential scans, because a plan that was made while the table was
-- small is kept while it grows.
create or replace function expire_holds(specialists bigint[], patient bigint, wanted tstzmultirange) returns setof bigint
language plpgsql volatile security definer
set search_path = pg_catalog, public set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
    lapsed constant bigint[] := array(
        select h.id from appointments h
        where (case when h.status = 'held' then h.organization_id end) = context_organization()
          and h.status = 'held' and h.hold_expires_at <= now() and h.deleted_at is null);
begin
    if lapsed = '{}' then
        return;
    end if;
    return query
        update appointments a
        set status = 'expired', holder = null, version = a.version + 1, updated_at = now()
        where a.id in (
            select h.id from appointments h
            where h.id = any(lapsed) and h.organization_id = context_organization()
              and (h.specialist_id = any(specialists) or h.patient_id = patient)
              and h.status = 'held' and h.hold_expires_at <= now() and h.deleted_at is null and h.block && wanted
            order by h.id
            for update)
        returning a.id;
end $$;
