-- Whose a hold was matters as long as it is one.
create or replace function expire_holds(specialist bigint, patient bigint, wanted tstzrange) returns setof bigint
language sql volatile security definer set search_path = pg_catalog, public
begin atomic
    update appointments a
    set status = 'expired', holder = null, version = a.version + 1, updated_at = now()
    where a.organization_id = context_organization() and (a.specialist_id = specialist or a.patient_id = patient)
      and a.status = 'held' and a.hold_expires_at <= now() and a.deleted_at is null and a.block && wanted
    returning a.id;
end;
alter table appointments add constraint appointments_holder_check check (status = 'held' or holder is null);

-- An appointment that erasure removes takes its history along, whoever was its patient when it moved.
alter table appointment_reschedules
    drop constraint appointment_reschedules_appointment_fkey,
    add constraint appointment_reschedules_appointment_fkey foreign key (organization_id, appointment_id)
        references appointments (organization_id, id) on delete cascade;
