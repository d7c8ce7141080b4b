-- Keys of patients' names (search and order), the version of blind indexes, and the country in which national telephone
-- numbers are read. Expands only: processes of the version before write rows without them, and the refresh of values makes
-- them (decision 42). `patients_list_idx` stays for those processes; it goes, together with `name_folded_roughly` and the
-- trigger of names, once every installation has run the refresh.
alter table organizations
    add column country text check (country ~ '^[A-Z]{2}$'),
    -- the country that the phone indexes of its patients are made with; empty if they may be of several
    add column phones_country text;
grant update (country) on organizations to restartix_app;

-- States that phone indexes may be those of several countries, until a refresh has made them all again. A country that is
-- changed and changed back before that would otherwise look as if its indexes had stayed.
create function phones_country_outdated() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    new.phones_country := '';
    return new;
end $$;
create trigger organizations_phones_country before update of country on organizations
    for each row when (new.country is distinct from old.country) execute function phones_country_outdated();

alter table patients
    add column name_folded text,
    add column name_sort bytea,
    add column name_keys_version integer,
    -- version of the forms that e-mail and phone indexes are made of; negative where a process that knows no versions
    -- has written one of them since
    add column indexes_version integer;
grant insert (name_folded, name_sort, name_keys_version, indexes_version),
      update (name_folded, name_sort, name_keys_version, indexes_version)
    on patients to restartix_app;

-- Folds a name as far as SQL can, so that a search finds rows that have no key yet.
create function name_folded_roughly(name text) returns text
language sql immutable strict parallel safe set search_path = pg_catalog
return replace(replace(replace(replace(
    translate(regexp_replace(normalize(lower(normalize(translate(name, '´', ''''), nfkd)), nfkd), '[\u0300-\u036f]', '', 'g'),
              'ςøłđðħŧı’‘ʼ`´‐‑‒–—', 'σolddhti''''''''''-----'),
    'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th');

create index patients_sort_idx on patients (organization_id, name_sort, id) where deleted_at is null;
-- Served nobody: `like` is not leakproof, so under row-level security it is compared after the policy, on the rows of the
-- organization, and no index takes part.
drop index patients_name_trgm_idx;
-- What the refresh looks for.
create index patients_name_keys_idx on patients (name_keys_version);
create index patients_indexes_idx on patients (indexes_version);

-- Processes of the version before change names and not their keys. A row is then without keys rather than with those of
-- its former name.
create function name_keys_outdated() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    new.name_folded := null;
    new.name_sort := null;
    new.name_keys_version := null;
    return new;
end $$;
create trigger patients_name_keys before update of first_name, last_name on patients
    for each row when ((new.first_name, new.last_name) is distinct from (old.first_name, old.last_name)
                       and new.name_sort is not distinct from old.name_sort)
    execute function name_keys_outdated();

-- An update that sets an index makes the version negative, and one that sets the version, too, positive again: triggers of
-- one kind run in the order of their names, and each runs only where the statement names its columns.
create function patient_indexes_written() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    new.indexes_version := tg_argv[0]::integer * abs(new.indexes_version);
    return new;
end $$;
create trigger patients_indexes_1_written before update of email_index, phone_index on patients
    for each row execute function patient_indexes_written('-1');
create trigger patients_indexes_2_stated before update of indexes_version on patients
    for each row execute function patient_indexes_written('1');
