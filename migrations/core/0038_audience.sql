-- Processes remember whether anybody waits in an organization. When somebody begins to wait, every process is notified.
-- That nobody waits any more is noticed when what is remembered expires.
create function audience_notify() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    perform pg_notify('identity_changed', 'audience:' || new.organization_id);
    return null;
end
$$;
create trigger waitlist_entries_audience after insert on waitlist_entries
    for each row execute function audience_notify();
