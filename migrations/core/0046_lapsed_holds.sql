-- Finds the lapsed holds of an organization, of which there are few, without reading its other appointments.

-- The expression keeps the other indexes out: each of them that begins with organization_id would serve a comparison of
-- the column as well, and each of those without deleted appointments a condition on deleted_at. Where statistics are older
-- than the clinic's growth, the planner took one and read every appointment of the clinic (decision 43). Building it reads
-- the table once and writes next to nothing.
create index appointments_lapsed_idx on appointments
    ((case when status = 'held' and deleted_at is null then organization_id end), hold_expires_at)
    where status = 'held';

-- As before: expires the lapsed holds of the specialists or the patient that overlap `wanted`, in one order for everybody.
-- Looks for lapsed holds first and writes only if there are any. The plans of both statements are made once for each
-- connection, whatever the statistics say; without sequential scans, because a plan that was made while the table was
-- small is kept while it grows.
create or replace function expire_holds(specialists bigint[], patient bigint, wanted tstzmultirange) returns setof bigint
language plpgsql volatile security definer
set search_path = pg_catalog, public set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
    -- `offset 0` keeps the other conditions away from the choice of an index
    lapsed bigint[] := array(
        select l.id
        from (select h.id, h.specialist_id, h.patient_id, h.block from appointments h
              where (case when h.status = 'held' and h.deleted_at is null then h.organization_id end) = context_organization()
                and h.status = 'held' and h.hold_expires_at <= now()
              offset 0) l
        where (l.specialist_id = any(specialists) or l.patient_id = patient) and l.block && wanted);
begin
    if lapsed = '{}' then
        return;
    end if;
    -- Two statements with the ids in an array: a join of the update with what it locks could be planned, while the
    -- table was small, as one that reads the table once for each of its rows.
    lapsed := array(
        select h.id from appointments h
        where h.id = any(lapsed)
          and (case when h.status = 'held' and h.deleted_at is null then h.organization_id end) = context_organization()
          and h.status = 'held' and h.hold_expires_at <= now()
        order by h.id
        for update);
    return query
        update appointments a
        set status = 'expired', holder = null, version = a.version + 1, updated_at = now()
        where a.id = any(lapsed)
        returning a.id;
end $$;
