-- What an organization has decided about how it works: one document, a row an organization. What is not in the
-- document is as the service's defaults say, so a document that was written before a setting came keeps its
-- meaning.
create table organization_settings (
    organization_id bigint primary key references organizations (id),
    document jsonb not null default '{}' check (jsonb_typeof(document) = 'object'),
    -- which state an administrator has read
    version bigint not null default 1,
    -- rises with everything that Telemetry is told, the organization's zone included: of two states it keeps the later
    revision bigint not null default 1,
    updated_at timestamptz not null default now()
);

alter table organization_settings enable row level security;
alter table organization_settings force row level security;
create policy organization_settings_owner on organization_settings to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy organization_settings_read on organization_settings for select to restartix_app
    using (organization_id = (select context_organization()));
create policy organization_settings_update on organization_settings for update to restartix_app
    using (organization_id = (select context_organization()) and (select context_role()) = 'admin')
    with check (organization_id = (select context_organization()) and (select context_role()) = 'admin');
grant select, update (document, version, updated_at) on organization_settings to restartix_app;

-- Every change is told to Telemetry by a job that is written with it, whoever makes it.
create function organization_settings_revise() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
    new.revision := old.revision + 1;
    return new;
end $$;
create trigger organization_settings_revise before update on organization_settings
    for each row execute function organization_settings_revise();

create function organization_settings_tell() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    entered constant text := coalesce(current_setting('app.current_org_id', true), '');
begin
    perform set_config('app.current_org_id', '', true);
    insert into jobs (id, organization_id, kind, created_by, keep_days)
    values (gen_random_uuid(), new.organization_id, 'organization_settings_push', context_user(), 1);
    perform set_config('app.current_org_id', entered, true);
    perform pg_notify('identity_changed', 'job:organization_settings_push');
    return null;
end $$;
create trigger organization_settings_tell after insert or update on organization_settings
    for each row execute function organization_settings_tell();

-- An organization has its row from the beginning, and its zone is told with it.
create function organization_settings_follow() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    entered constant text := coalesce(current_setting('app.current_org_id', true), '');
begin
    perform set_config('app.current_org_id', '', true);
    if tg_op = 'INSERT' then
        insert into organization_settings (organization_id) values (new.id);
    else
        update organization_settings set updated_at = updated_at where organization_id = new.id;
    end if;
    perform set_config('app.current_org_id', entered, true);
    return null;
end $$;
create trigger organizations_settings_begin after insert on organizations
    for each row execute function organization_settings_follow();
create trigger organizations_settings_follow after update of timezone on organizations
    for each row when (old.timezone is distinct from new.timezone) execute function organization_settings_follow();
insert into organization_settings (organization_id) select id from organizations order by id;

-- Since when an appointment must have ended for its specialist not to open the patient's record by it any more,
-- in the organization at hand: `missed` says of those that the patient did not come to. The defaults are those of
-- the service's model. Runs as the owner, so that a policy costs no look at another.
create function record_open_since(missed boolean) returns timestamptz
language sql stable security definer set search_path = pg_catalog, public as $$
    select case
        when missed then now() - make_interval(days => coalesce((a.rule ->> 'after_no_show_days')::integer, 7))
        when coalesce((a.rule ->> 'unlimited')::boolean, false) then '-infinity'
        else now() - make_interval(days => coalesce((a.rule ->> 'after_treatment_days')::integer, 90)) end
    from (select (select s.document -> 'record_access' from organization_settings s
                  where s.organization_id = context_organization()) as rule) a
$$;

-- A specialist opens the record of whom it is booked to treat, treats or has treated: from the booking on, and as
-- long after the appointment's end as the organization says; for a while after one that the patient missed; never
-- by one that was called off or only held. tests/suite/record_access.txt shows which of them when.
create index appointments_treatment_idx on appointments (organization_id, specialist_id, patient_id, ended_at)
    include (status)
    where deleted_at is null and status in ('scheduled', 'confirmed', 'in_progress', 'completed', 'no_show');
alter policy patients_tenant on patients
    using (organization_id = (select context_organization())
           and ((select context_role() in ('admin', 'staff', 'api_key'))
                or (select context_role() = 'patient') and id = (select context_patient())
                or (select context_role() = 'specialist')
                    and exists (select from appointments a
                                where a.organization_id = (select context_organization()) and a.patient_id = patients.id
                                  and a.specialist_id = (select context_specialist()) and a.deleted_at is null
                                  and a.status in ('scheduled', 'confirmed', 'in_progress', 'completed', 'no_show')
                                  and a.ended_at > case when a.status = 'no_show' then (select record_open_since(true))
                                                        else (select record_open_since(false)) end)))
    with check (organization_id = (select context_organization())
           and ((select context_role() in ('admin', 'staff', 'api_key'))
                or (select context_role() = 'patient') and id = (select context_patient())
                or (select context_role() = 'specialist')
                    and exists (select from appointments a
                                where a.organization_id = (select context_organization()) and a.patient_id = patients.id
                                  and a.specialist_id = (select context_specialist()) and a.deleted_at is null
                                  and a.status in ('scheduled', 'confirmed', 'in_progress', 'completed', 'no_show')
                                  and a.ended_at > case when a.status = 'no_show' then (select record_open_since(true))
                                                        else (select record_open_since(false)) end)));
