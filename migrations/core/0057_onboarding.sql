-- no-transaction
-- Index by which onboarding notices a person who was entered before (decision 54). Processes of the version before
-- ignore it.
--
-- Each step is a transaction of its own, so that patients are read while the index is built, and can be repeated, also
-- when it has waited in vain for the table.
begin;
set local lock_timeout = '5s';
-- Keyed hash of folded name and date of birth, by which the same person entered again is noticed. Rows get it with the
-- next version of their indexes (decision 42).
alter table patients add column if not exists name_birth_index bytea;
grant insert (name_birth_index), update (name_birth_index) on patients to restartix_app;

-- An erasure by a process of the version before, which does not know the index, leaves none.
create or replace function name_birth_erase() returns trigger
language plpgsql set search_path = pg_catalog, public as $$
begin
    new.name_birth_index := null;
    return new;
end $$;
create or replace trigger patients_name_birth_erase before update of erased_at on patients
    for each row when (new.erased_at is not null and new.name_birth_index is not null)
    execute function name_birth_erase();
commit;

begin;
set local lock_timeout = '5s';
create index if not exists patients_name_birth_idx on patients (organization_id, name_birth_index)
    where deleted_at is null and name_birth_index is not null;
commit;
