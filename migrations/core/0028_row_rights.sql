-- One database role serves every caller, so grants can't tell them apart: policies and triggers do, by the
-- context. Grants take away what no caller writes; a column that is added later is nobody's to write until
-- it is granted. tests/suite/rls_grid.txt of server-core says what comes of it.

-- Who is a member is one's own to know, and an administrator's.
alter policy memberships_read on memberships
    using (organization_id = (select context_organization())
           and ((select context_role()) = 'admin' or user_id = (select context_user())));

-- A key opens a record, so it is there for who may see the record. Those who see every patient are not asked
-- about each.
drop policy data_keys_tenant on data_keys;
create policy data_keys_read on data_keys for select to restartix_app
    using (organization_id = (select context_organization())
           and ((select context_role() in ('admin', 'staff', 'api_key'))
                or exists (select from patients p
                           where p.organization_id = data_keys.organization_id and p.data_key_id = data_keys.id)));
create policy data_keys_create on data_keys for insert to restartix_app
    with check (organization_id = (select context_organization())
                and (select context_role() in ('admin', 'staff', 'api_key')));
create index patients_data_key_idx on patients (organization_id, data_key_id);
revoke insert on data_keys from restartix_app;
grant insert (id, organization_id, wrapped) on data_keys to restartix_app;

-- An answer is for who asked; the hash in its key says so too, and a policy can't read it. Of those rows that an
-- earlier version wrote nobody knows whose they are: they are found by the hash, for the day that they last.
alter table idempotency_keys
    add column user_id bigint default context_user(),
    add column api_key_id bigint default context_api_key(),
    add column impersonator_user_id bigint default context_impersonator();
alter policy idempotency_keys_app on idempotency_keys
    using (organization_id = (select context_organization())
           and (user_id is null and api_key_id is null
                or (user_id, api_key_id, impersonator_user_id)
                   is not distinct from ((select context_user()), (select context_api_key()), (select context_impersonator()))))
    with check (organization_id = (select context_organization())
                and (user_id, api_key_id, impersonator_user_id)
                    is not distinct from ((select context_user()), (select context_api_key()), (select context_impersonator())));
revoke insert, update on idempotency_keys from restartix_app;
grant insert (id, organization_id, key_hash, request_hash), update (status, secret, wrapped_key, answer)
    on idempotency_keys to restartix_app;

-- Work is done by the owner's role, whoever wants it. So each kind that callers may leave says whose; what isn't
-- here is left by the owner's role alone, as an erasure is. A migration that brings a kind adds its line.
create table job_kinds (
    kind text primary key,
    roles text[] not null check (roles <@ array['admin', 'specialist', 'staff', 'patient', 'api_key'])
);
alter table job_kinds enable row level security;
alter table job_kinds force row level security;
create policy job_kinds_owner on job_kinds to restartix using (true) with check (true);
create policy job_kinds_read on job_kinds for select to restartix_app using (true);
grant select on job_kinds to restartix_app;
insert into job_kinds (kind, roles) values
    -- whoever gives time back, or waits for some
    ('waitlist_offer', '{admin,specialist,staff,patient,api_key}'),
    -- whoever books, moves or cancels
    ('video_room_follow', '{admin,specialist,staff,patient,api_key}'),
    -- whoever invites
    ('invitation_send', '{admin}');
alter policy jobs_enqueue on jobs
    with check (organization_id = (select context_organization())
                and created_by is not distinct from (select context_user())
                and exists (select from job_kinds k where k.kind = jobs.kind and (select context_role()) = any (k.roles)));
revoke insert on jobs from restartix_app;
grant insert (id, organization_id, kind, payload, key, created_by, keep_days) on jobs to restartix_app;

-- Refuses a change of a column by a role that its list of roles leaves out: {"column": ["role", …]}. What has no
-- list, whoever may write the row may write.
create function columns_guard() returns trigger language plpgsql set search_path = pg_catalog, public as $$
declare
    writer constant text := context_role();
    after constant jsonb := to_jsonb(new);
    before constant jsonb := case when tg_op = 'UPDATE' then to_jsonb(old) end;
    refused text;
begin
    select lists.key into refused
    from jsonb_each(tg_argv[0]::jsonb) lists
    where coalesce(after -> lists.key, 'null') <> coalesce(before -> lists.key, 'null')
      and not coalesce(lists.value ? writer, false)
    limit 1;
    if refused is not null then
        raise exception '%.% is not for % to write', tg_table_name, refused, coalesce(writer, 'nobody')
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;

-- Patients: a record is the clinic's to write, and what a specialist noted no front desk's or program's.
create policy patients_create on patients as restrictive for insert to restartix_app
    with check ((select context_role() in ('admin', 'staff', 'api_key')));
create policy patients_change on patients as restrictive for update to restartix_app
    using ((select context_role() in ('admin', 'specialist', 'staff', 'api_key')));
revoke insert, update on patients from restartix_app;
grant insert (organization_id, uid, data_key_id, user_id, first_name, last_name, email_encrypted, phone_encrypted,
              date_of_birth_encrypted, national_id_encrypted, address_encrypted, emergency_contact_encrypted,
              clinical_notes_encrypted, email_index, phone_index, national_id_index),
      update (user_id, first_name, last_name, email_encrypted, phone_encrypted, date_of_birth_encrypted,
              national_id_encrypted, address_encrypted, emergency_contact_encrypted, clinical_notes_encrypted,
              email_index, phone_index, national_id_index, version, deleted_at, updated_at)
    on patients to restartix_app;
create trigger patients_guard before insert or update on patients
    for each row when (current_user = 'restartix_app')
    execute function columns_guard('{"clinical_notes_encrypted": ["admin", "specialist"],
                                     "user_id": ["admin"],
                                     "deleted_at": ["admin", "staff", "api_key"]}');

-- Specialists: who is linked to a record gains its rights.
revoke insert, update on specialists from restartix_app;
grant insert (organization_id, user_id, name, title, timezone, bookable),
      update (user_id, name, title, timezone, bookable, slot_minutes, buffer_before_minutes, buffer_after_minutes,
              minimum_notice_minutes, horizon_days, daily_cap, schedule_version, deleted_at, updated_at)
    on specialists to restartix_app;
create trigger specialists_guard before update on specialists
    for each row when (current_user = 'restartix_app')
    execute function columns_guard('{"user_id": ["admin"], "deleted_at": ["admin"]}');

-- The state machine of AppointmentStatus::may_become.
create function appointment_may_become(from_status text, to_status text) returns boolean language sql immutable parallel safe
    return case from_status
        when 'held' then to_status in ('scheduled', 'expired')
        when 'scheduled' then to_status in ('confirmed', 'cancelled', 'no_show')
        when 'confirmed' then to_status in ('in_progress', 'cancelled', 'no_show')
        when 'in_progress' then to_status = 'completed'
        else false end;

-- Whether a hold is the context's. A key of an earlier version's context is not named.
create function context_holds(holder text) returns boolean language sql stable parallel safe
    return case when context_user() is not null then holder = 'user:' || context_user()
                when context_names_actor() then holder = 'api_key:' || context_api_key()
                else holder like 'api_key:%' end;

-- Nobody but the service offers; whoever books does so in its own name, and what a patient is promised is what its
-- template says, whoever books.
create function appointment_create_guard() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    if new.user_id is distinct from context_user()
       or new.waitlist_entry_id is not null
       or new.status = 'held' and (context_role() = 'specialist' or not context_holds(new.holder)
                                   or new.hold_expires_at > now() + interval '1 hour')
       or new.status not in ('held', 'scheduled') then
        raise exception 'an appointment comes to be scheduled, or held for a while, by who writes it'
            using errcode = 'insufficient_privilege';
    end if;
    select t.cancellation_cutoff_minutes, t.reschedule_cutoff_minutes
    into new.cancellation_cutoff_minutes, new.reschedule_cutoff_minutes
    from appointment_templates t
    where t.organization_id = new.organization_id and t.id = new.appointment_template_id;
    new.cancellation_cutoff_minutes := coalesce(new.cancellation_cutoff_minutes, 0);
    new.reschedule_cutoff_minutes := coalesce(new.reschedule_cutoff_minutes, 0);
    return new;
end $$;
create trigger appointments_create_guard before insert on appointments
    for each row when (current_user = 'restartix_app') execute function appointment_create_guard();

-- Which change of an appointment is whose. Compares what was and what shall be by the context's role.
-- `title_encrypted` comes with a later migration and takes the place of `title`.
create function appointment_change_guard() returns trigger language plpgsql set search_path = pg_catalog, public as $$
declare
    writer constant text := context_role();
    before constant jsonb := to_jsonb(old);
    changed constant text[] := array(select c.key from jsonb_each(to_jsonb(new)) c where c.value <> before -> c.key);
    bookkeeping constant text[] := '{version,updated_at,sequence}';
    offered constant boolean := old.waitlist_entry_id is not null and old.holder = 'waitlist:' || old.waitlist_entry_id;
    moved constant boolean := (new.started_at, new.ended_at, new.block, new.specialist_id)
                              is distinct from (old.started_at, old.ended_at, old.block, old.specialist_id);
    allowed boolean;
begin
    if changed <@ bookkeeping then
        return new;
    elsif old.status = 'held' then
        -- Booked or given back, by who holds it; what is offered is the entry's, for whom the clinic may act.
        allowed := writer <> 'specialist' and (offered or context_holds(old.holder))
                   and appointment_may_become('held', new.status)
                   and (new.status <> 'scheduled' or old.hold_expires_at > now())
                   and (new.deleted_at is null or offered)
                   and changed <@ (bookkeeping || '{status,title,title_encrypted,user_id,holder,hold_expires_at,deleted_at}'::text[])
                   and (new.user_id is not distinct from old.user_id or new.user_id = context_user());
    elsif new.status <> old.status then
        allowed := appointment_may_become(old.status, new.status)
                   and changed <@ (bookkeeping || '{status,holder,cancelled_at,cancellation_reason}'::text[])
                   and (writer <> 'patient'
                        or new.status = 'cancelled'
                           and old.started_at - make_interval(mins => old.cancellation_cutoff_minutes) > now());
    elsif new.deleted_at is distinct from old.deleted_at then
        allowed := writer = 'admin' and old.deleted_at is null and changed <@ (bookkeeping || '{deleted_at}'::text[]);
    elsif writer = 'patient' then
        allowed := moved and old.status in ('scheduled', 'confirmed')
                   and changed <@ (bookkeeping || '{started_at,ended_at,block,specialist_id}'::text[])
                   and (new.ended_at - new.started_at, new.started_at - lower(new.block), upper(new.block) - new.ended_at)
                       = (old.ended_at - old.started_at, old.started_at - lower(old.block), upper(old.block) - old.ended_at)
                   and old.started_at - make_interval(mins => old.reschedule_cutoff_minutes) > now();
    else
        allowed := old.status in ('scheduled', 'confirmed')
                   and changed <@ (bookkeeping || '{title,title_encrypted,started_at,ended_at,block,specialist_id,patient_id,specialty_id}'::text[]);
    end if;
    if not coalesce(allowed, false) then
        raise exception 'an appointment that is % is not for % to change so: %', old.status, coalesce(writer, 'nobody'), changed
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger appointments_change_guard before update on appointments
    for each row when (current_user = 'restartix_app') execute function appointment_change_guard();
revoke insert, update on appointments from restartix_app;
grant insert (organization_id, title, status, started_at, ended_at, block, specialist_id, patient_id, specialty_id, user_id,
              appointment_template_id, appointment_series_id, modality, holder, hold_expires_at,
              cancellation_cutoff_minutes, reschedule_cutoff_minutes, waitlist_entry_id),
      update (title, status, started_at, ended_at, block, specialist_id, patient_id, specialty_id, user_id, cancelled_at,
              cancellation_reason, holder, hold_expires_at, sequence, version, deleted_at, updated_at)
    on appointments to restartix_app;

-- Whoever writes these, writes them in its own name.
create policy appointment_reschedules_own on appointment_reschedules as restrictive for insert to restartix_app
    with check (user_id is not distinct from (select context_user()));
revoke insert on appointment_reschedules from restartix_app;
grant insert (organization_id, appointment_id, patient_id, from_specialist_id, from_started_at, from_ended_at, to_specialist_id,
              to_started_at, to_ended_at, user_id)
    on appointment_reschedules to restartix_app;

create policy appointment_series_own on appointment_series as restrictive for insert to restartix_app
    with check (user_id is not distinct from (select context_user()));
revoke insert, update on appointment_series from restartix_app;
grant insert (organization_id, patient_id, specialist_id, appointment_template_id, user_id, title, timezone, started_at, ended_at,
              frequency, step, weekdays, occurrences, until),
      update (title, specialist_id, version, updated_at)
    on appointment_series to restartix_app;

create policy api_keys_own on api_keys as restrictive for insert to restartix_app
    with check (created_by = (select context_user()));
revoke insert, update on api_keys from restartix_app;
grant insert (organization_id, name, prefix, secret_hash, scopes, created_by, expires_at),
      update (prefix, secret_hash, previous_secret_hash, previous_expires_at, revoked_at, updated_at)
    on api_keys to restartix_app;

create policy impersonations_own on impersonations as restrictive for insert to restartix_app
    with check (impersonator_user_id = (select context_user()));
revoke insert, update on impersonations from restartix_app;
grant insert (organization_id, token_hash, impersonator_user_id, patient_id, patient_user_id, reason, expires_at, session_id),
      update (revoked_at)
    on impersonations to restartix_app;

-- Nor does an administrator who acts as a member give links to its calendar.
create policy calendar_feeds_in_person on calendar_feeds as restrictive to restartix_app
    using ((select context_impersonator()) is null);
revoke insert, update on calendar_feeds from restartix_app;
grant insert (organization_id, user_id, token_hash), update (token_hash, revoked_at, created_at)
    on calendar_feeds to restartix_app;

-- What was wished for stays; what came of it is written.
revoke insert, update on waitlist_entries from restartix_app;
grant insert (organization_id, patient_id, specialist_id, template_id, requested_from, requested_to),
      update (appointment_id, booked_at, deleted_at, updated_at)
    on waitlist_entries to restartix_app;

revoke update on organizations from restartix_app;
grant update (name, timezone, updated_at) on organizations to restartix_app;

revoke insert, update on specialties from restartix_app;
grant insert (organization_id, name, description), update (name, description, archived_at, updated_at)
    on specialties to restartix_app;

revoke insert, update on appointment_templates from restartix_app;
grant insert (organization_id, name, slug, description, duration_minutes, buffer_before_minutes, buffer_after_minutes,
              minimum_notice_minutes, specialty_id, modality, cancellation_cutoff_minutes, reschedule_cutoff_minutes),
      update (name, slug, description, duration_minutes, buffer_before_minutes, buffer_after_minutes, minimum_notice_minutes,
              specialty_id, modality, cancellation_cutoff_minutes, reschedule_cutoff_minutes, archived_at, updated_at)
    on appointment_templates to restartix_app;

revoke insert on specialist_exceptions from restartix_app;
grant insert (organization_id, specialist_id, kind, starts_at, ends_at) on specialist_exceptions to restartix_app;

-- When a patient is taken is for those who book for others to know.
create or replace function patient_blocks(patient bigint, range_from timestamptz, range_to timestamptz) returns setof tstzrange
language sql stable security definer set search_path = pg_catalog, public
begin atomic
    select a.block from appointments a
    where a.organization_id = context_organization() and a.patient_id = patient
      and (context_role() is distinct from 'patient' or patient = context_patient())
      and a.status in ('held', 'scheduled', 'confirmed', 'in_progress') and a.deleted_at is null
      and (a.status <> 'held' or a.hold_expires_at > now())
      and a.block && tstzrange(range_from, range_to);
end;
