-- Which login a record is, is nobody's to write but the service's own where the person has accepted it, or
-- where an administrator ends it: whoever is linked to a record has its rights. What goes with a membership
-- is written by the table's owner too.
create function record_link_guard() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    if current_user = 'restartix_app' then
        raise insufficient_privilege using message = 'a record is linked where its person accepts it';
    end if;
    return new;
end $$;
create trigger patients_link_inserted before insert on patients
    for each row when (new.user_id is not null) execute function record_link_guard();
create trigger patients_link_updated before update of user_id on patients
    for each row when (new.user_id is distinct from old.user_id) execute function record_link_guard();
create trigger specialists_link_inserted before insert on specialists
    for each row when (new.user_id is not null) execute function record_link_guard();
create trigger specialists_link_updated before update of user_id on specialists
    for each row when (new.user_id is distinct from old.user_id) execute function record_link_guard();

-- Who acts as a patient acts as its login: without it, as nobody.
create function patient_end_impersonations() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
    update impersonations i set revoked_at = now()
    where i.organization_id = new.organization_id and i.patient_id = new.id and i.revoked_at is null;
    return null;
end $$;
create trigger patients_end_impersonations after update of user_id on patients
    for each row when (old.user_id is not null and new.user_id is distinct from old.user_id)
    execute function patient_end_impersonations();
