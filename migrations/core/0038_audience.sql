-- Processes remember whether anybody waits in an organization. Who begins to is told to all of them; that nobody waits
-- any more they find out for themselves.
create function audience_notify() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    perform pg_notify('identity_changed', 'audience:' || new.organization_id);
    return null;
end
$$;
create trigger waitlist_entries_audience after insert on waitlist_entries
    for each row execute function audience_notify();
