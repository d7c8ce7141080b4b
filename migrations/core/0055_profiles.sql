-- Profiles: the values of custom fields (decision 51). The values of a patient are those of its record, the values of
-- an appointment concern its patient, and an organization has a profile of its own.
set local lock_timeout = '5s';

-- Version of a profile, and the row that a write locks. It is there from the first write on.
create table profiles (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    entity text not null check (entity in ('patient', 'specialist', 'appointment', 'organization')),
    patient_id bigint,
    specialist_id bigint,
    appointment_id bigint,
    owner_id bigint not null generated always as (
        case entity when 'patient' then patient_id when 'specialist' then specialist_id
                    when 'appointment' then appointment_id else organization_id end) stored,
    version bigint not null default 1 check (version > 0),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint profiles_owner_key unique (organization_id, entity, owner_id),
    constraint profiles_owner_check check (
        (patient_id is not null) = (entity = 'patient') and (specialist_id is not null) = (entity = 'specialist')
        and (appointment_id is not null) = (entity = 'appointment')),
    constraint profiles_patient_fkey foreign key (organization_id, patient_id) references patients (organization_id, id),
    constraint profiles_specialist_fkey foreign key (organization_id, specialist_id) references specialists (organization_id, id),
    constraint profiles_appointment_fkey foreign key (organization_id, appointment_id)
        references appointments (organization_id, id) on delete cascade
);
create index profiles_appointment_idx on profiles (organization_id, appointment_id) where appointment_id is not null;

-- A value, or the mark that it was removed, which has none. A value of a field that is protected health information is
-- sealed, under the key of the patient whom it concerns, or of the organization; any other stands in the column of its
-- type: numbers in number_value, the key of an option in text_value.
create table profile_values (
    id bigint generated always as identity primary key,
    organization_id bigint not null,
    -- made by the service before the row exists: ciphertexts are bound to it
    uid uuid not null,
    entity text not null,
    -- the patient of the profile, or of the appointment
    patient_id bigint,
    specialist_id bigint,
    appointment_id bigint,
    owner_id bigint not null generated always as (
        case entity when 'patient' then patient_id when 'specialist' then specialist_id
                    when 'appointment' then appointment_id else organization_id end) stored,
    custom_field_id bigint not null,
    key text not null,
    field_version integer not null,
    phi boolean not null,
    data_key_id uuid,
    value_encrypted bytea,
    text_value text,
    number_value numeric(28, 10),
    boolean_value boolean,
    date_value date,
    time_value time,
    datetime_value timestamptz,
    choices_value text[],
    -- version of the profile that the last change of the value made
    changed_in bigint not null check (changed_in > 0),
    changed_at timestamptz not null default now(),
    changed_by_user_id bigint default context_user(),
    -- begins with the owner, so that no plan looks here for the values of a field, which only the whole clinic would tell
    constraint profile_values_owner_key unique (organization_id, owner_id, entity, custom_field_id),
    constraint profile_values_uid_key unique (organization_id, uid),
    constraint profile_values_owner_check check (
        (patient_id is not null) = (entity in ('patient', 'appointment')) and (specialist_id is not null) = (entity = 'specialist')
        and (appointment_id is not null) = (entity = 'appointment') and (data_key_id is not null) = (entity in ('patient', 'appointment'))),
    constraint profile_values_one_check check (
        num_nonnulls(value_encrypted, text_value, number_value, boolean_value, date_value, time_value, datetime_value,
                     choices_value) <= 1
        and case when phi then num_nonnulls(text_value, number_value, boolean_value, date_value, time_value, datetime_value,
                                            choices_value) = 0
                 else value_encrypted is null end),
    constraint profile_values_profile_fkey foreign key (organization_id, entity, owner_id)
        references profiles (organization_id, entity, owner_id) on delete cascade,
    constraint profile_values_field_fkey foreign key (organization_id, custom_field_id, entity, key)
        references custom_fields (organization_id, id, entity, key),
    constraint profile_values_version_fkey foreign key (organization_id, custom_field_id, field_version, phi)
        references custom_field_versions (organization_id, custom_field_id, version, phi),
    constraint profile_values_patient_fkey foreign key (organization_id, patient_id) references patients (organization_id, id),
    constraint profile_values_specialist_fkey foreign key (organization_id, specialist_id)
        references specialists (organization_id, id),
    constraint profile_values_appointment_fkey foreign key (organization_id, appointment_id)
        references appointments (organization_id, id) on delete cascade,
    constraint profile_values_data_key_fkey foreign key (organization_id, data_key_id) references data_keys (organization_id, id)
);
create index profile_values_field_idx on profile_values (organization_id, custom_field_id, field_version);
create index profile_values_patient_idx on profile_values (organization_id, patient_id) where patient_id is not null;
create index profile_values_appointment_idx on profile_values (appointment_id, organization_id) where appointment_id is not null;

-- A profile is of somebody who is not erased: a write that waits for an erasure inserts nothing, and an erasure waits
-- for the writes that came before it. A change of an appointment's patient waits as well: its trigger then finds the
-- values of the patient before. Locks appointments before patients, as everybody does. Runs as the owner, because a lock
-- takes more rights than reading.
create function profile_owner_hold() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    patient bigint := new.patient_id;
    erased boolean;
begin
    if new.entity = 'appointment' then
        select a.patient_id into patient from appointments a
        where a.id = new.appointment_id
        for share;
        -- Erasures delete appointments.
        if not found then
            return null;
        end if;
    end if;
    if new.entity in ('patient', 'appointment') then
        select p.erased_at is not null into erased from patients p
        where p.id = patient
        for share;
    elsif new.entity = 'specialist' then
        select s.erased_at is not null into erased from specialists s
        where s.id = new.specialist_id
        for share;
    end if;
    -- The policies and foreign keys refuse a record that is not there at all.
    if erased then
        return null;
    end if;
    return new;
end $$;
revoke execute on function profile_owner_hold() from public;
create trigger profiles_owner_hold before insert on profiles for each row execute function profile_owner_hold();

-- An appointment that is given to another patient leaves behind what its profile says of the patient before.
create function appointment_profile_leave() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
    -- No condition that another index serves: while statistics are old, that one seems as short a way.
    delete from profile_values v where v.appointment_id = new.id and v.patient_id <> new.patient_id;
    return null;
end $$;
revoke execute on function appointment_profile_leave() from public;
create trigger appointments_profile_leave after update of patient_id on appointments
    for each row when (old.patient_id is distinct from new.patient_id) execute function appointment_profile_leave();

-- Rows are reached as those of their owner are, by the policies of patients and appointments themselves. A value is
-- also only for those roles that its field lists.
do $$
declare
    patient constant text :=
        'exists (select from patients p where p.organization_id = (select context_organization()) and p.id = %1$s.patient_id)';
    appointment constant text :=
        'exists (select from appointments a where a.organization_id = (select context_organization()) and a.id = %1$s.appointment_id)';
    office constant text := '(select context_role() in (''admin'', ''staff'', ''api_key''))';
    itself constant text := '(select context_role() = ''specialist'') and specialist_id = (select context_specialist())';
    reached text;
    owned text;
begin
    foreach reached in array array['profiles', 'profile_values'] loop
        owned := format(
            office || ' or entity = ''patient'' and ' || patient || ' or entity = ''appointment'' and ' || appointment
                || case reached when 'profile_values' then ' and ' || patient else '' end, reached);
        perform tenant_table(
            reached::regclass,
            case reached
                when 'profiles' then
                    'select, insert (organization_id, entity, patient_id, specialist_id, appointment_id), update (version, updated_at)'
                else
                    'select,
                     insert (organization_id, uid, entity, patient_id, specialist_id, appointment_id, custom_field_id, key,
                             field_version, phi, data_key_id, value_encrypted, text_value, number_value, boolean_value,
                             date_value, time_value, datetime_value, choices_value, changed_in),
                     update (field_version, phi, data_key_id, value_encrypted, text_value, number_value, boolean_value,
                             date_value, time_value, datetime_value, choices_value, changed_in, changed_at,
                             changed_by_user_id)'
            end,
            reads => format('(%s or entity in (''specialist'', ''organization''))%s', owned,
                            case reached when 'profile_values'
                                then ' and custom_field_id = any ((select fields_readable())::bigint[])' else '' end),
            writes => format('(entity in (''patient'', ''specialist'', ''appointment'') and (%s)
                               or entity = ''specialist'' and %s
                               or entity = ''organization'' and (select context_role() = ''admin''))%s',
                             owned, itself,
                             case reached when 'profile_values'
                                 then ' and custom_field_id = any ((select fields_writable())::bigint[])' else '' end)
        );
    end loop;
end $$;

-- Whoever writes a value is the one who has changed it.
create policy profile_values_insert_own on profile_values as restrictive for insert to restartix_app
    with check (changed_by_user_id is not distinct from (select context_user()));
create policy profile_values_update_own on profile_values as restrictive for update to restartix_app
    using (true) with check (changed_by_user_id is not distinct from (select context_user()));
