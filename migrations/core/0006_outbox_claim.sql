-- Takes the oldest audit rows that wait, as one turn among all forwarders: what one has in hand comes
-- before everything younger, so nothing is taken while a lease runs. Otherwise the rows that a
-- forwarder held when it died would reach Telemetry after younger ones of the same entity. Rows that
-- Telemetry refused wait much longer than a lease and hold up nobody.
--
-- A function, because each of its statements sees what was committed before it: the second one sees
-- the lease that the holder of the lock before us took.
create function audit_outbox_claim(batch bigint, lease interval) returns setof audit_outbox
language plpgsql set search_path = pg_catalog, public as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('audit_outbox', 0));
    if exists (select from audit_outbox
               where leased_until > clock_timestamp() and leased_until <= clock_timestamp() + lease) then
        return;
    end if;
    return query
        update audit_outbox o set leased_until = clock_timestamp() + lease
        where o.seq in (
            select w.seq from audit_outbox w
            where w.leased_until is null or w.leased_until < clock_timestamp()
            order by w.seq limit batch
            for update skip locked)
        returning o.*;
end $$;
