-- Whom an appointment is with and why is what people write into its title: sealed under the organization's key
-- from now on. A housekeeping job seals what stands in the clear; the old columns, their indexes and the
-- triggers below go once every installation has run it (decision 31).
alter table appointments add column title_encrypted bytea;
alter table appointment_series
    add column title_encrypted bytea,
    -- what the ciphertext is bound to
    add column uid uuid not null default gen_random_uuid();
grant insert (uid, title_encrypted), update (title_encrypted) on appointments to restartix_app;
grant insert (uid, title_encrypted), update (title_encrypted) on appointment_series to restartix_app;

-- What is left to be sealed; empty from then on.
create index appointments_title_clear_idx on appointments (id) where title <> '';
create index appointment_series_title_clear_idx on appointment_series (id) where title <> '';

-- While a release is rolled out, processes of the version before know the old column alone. What one of them
-- writes there is what the title is, also where it writes that there is none: to erase it, say.
create function title_clear_written() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    if new.title_encrypted is not distinct from old.title_encrypted then
        new.title_encrypted := null;
    end if;
    return new;
end $$;
create trigger appointments_title_clear_written before update of title on appointments
    for each row execute function title_clear_written();
create trigger appointment_series_title_clear_written before update of title on appointment_series
    for each row execute function title_clear_written();
