-- Jobs are claimed lane by lane, a kind being a lane, and in turn by the organizations that have any open.
create index jobs_lane_idx on jobs (kind, organization_id, coalesce(leased_until, run_at), id)
    where state in ('queued', 'running');
-- This index orders the jobs of all organizations together; a search for one organization's earliest job would read
-- through everybody else's.
drop index jobs_due_idx;
create index jobs_failed_idx on jobs (kind) where state = 'failed';

-- Takes jobs that are due, and those whose holder's lease has ended: of each lane at most as many as `free` says. The
-- organizations of a lane come in turn, beginning behind the one that `after` says; each gets its earliest job and no
-- second one. Those that hold all they may of a lane are passed over: `full_kinds` and `full_organizations`, pair by pair.
--
-- However many jobs an organization has open, one entry of the index is read to get past it. A plan may have been made
-- when the table was as good as empty, where reading all of it and sorting seems cheap: neither is allowed, and then
-- only the index of the lanes has what is asked for in order.
create function jobs_claim(
    kinds text[], free integer[], after bigint[], full_kinds text[], full_organizations bigint[], lease_for interval)
returns setof jobs language plpgsql set search_path = pg_catalog, public
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_incremental_sort = off as $$
declare
    instant constant timestamptz := clock_timestamp();
    lane record;
    part record;
    turn bigint;
    remaining integer;
    passed_over bigint[];
begin
    for lane in select l.kind, l.free, l.after from unnest(kinds, free, after) as l(kind, free, after) loop
        remaining := lane.free;
        passed_over := array(
            select f.organization_id from unnest(full_kinds, full_organizations) as f(kind, organization_id)
            where f.kind = lane.kind);
        -- From the last one that had its turn to the end, and from the beginning to that one.
        for part in values (lane.after, 9223372036854775807), (-1, lane.after) loop
            exit when remaining = 0;
            for turn in
                with recursive walk as (
                    select part.column1 as organization_id, null::timestamptz as due
                    union all
                    select n.organization_id, n.due
                    from walk w cross join lateral (
                        select j.organization_id, coalesce(j.leased_until, j.run_at) as due
                        from jobs j
                        where j.kind = lane.kind and j.organization_id > w.organization_id
                          and j.state in ('queued', 'running')
                        order by j.organization_id, coalesce(j.leased_until, j.run_at)
                        limit 1) n
                    where n.organization_id <= part.column2)
                select w.organization_id from walk w
                where w.due <= instant and w.organization_id <> all (passed_over)
            loop
                return query
                    update jobs j
                    set state = 'running', attempts = j.attempts + 1, lease = gen_random_uuid(),
                        leased_until = clock_timestamp() + lease_for, started_at = coalesce(j.started_at, now())
                    where j.id = (
                        select d.id from jobs d
                        where d.kind = lane.kind and d.organization_id = turn and d.state in ('queued', 'running')
                          and coalesce(d.leased_until, d.run_at) <= instant
                        order by coalesce(d.leased_until, d.run_at), d.id
                        limit 1
                        for update skip locked)
                    returning j.*;
                if found then
                    remaining := remaining - 1;
                end if;
                exit when remaining = 0;
            end loop;
        end loop;
    end loop;
end $$;
revoke execute on function jobs_claim(text[], integer[], bigint[], text[], bigint[], interval) from public;
