-- Who acts may be a program with a key of the organization's, an administrator acting as a patient,
-- or nobody known; and what was refused or went wrong is recorded too.
alter table audit_log
    drop constraint audit_log_actor_kind_check,
    add constraint audit_log_actor_kind_check check (actor_kind in ('user', 'api_key', 'system', 'anonymous')),
    add column actor_api_key_id bigint,
    -- the administrator behind the actor
    add column impersonator_user_id bigint,
    -- the stable code of the error with which a denied or failed attempt was answered
    add column error_code text,
    -- more than 1 where attempts came faster than they could be recorded one by one
    add column occurrences integer not null default 1 check (occurrences > 0);

create or replace function audit_append(payload text) returns void
language plpgsql set search_path = pg_catalog, public as $$
declare
    events constant jsonb := convert_from(decode(payload, 'hex'), 'UTF8')::jsonb;
begin
    insert into audit_log (id, occurred_at, organization_id, actor_kind, actor_user_id, actor_api_key_id,
                           impersonator_user_id, action, entity_type, entity_id, changed_fields, operation_id, request_id,
                           outcome, error_code, occurrences)
    select e.id, e.occurred_at, e.organization_id, e.actor_kind, e.actor_user_id, e.actor_api_key_id,
           e.impersonator_user_id, e.action, e.entity_type, e.entity_id, coalesce(e.changed_fields, '{}'),
           e.operation_id, e.request_id, e.outcome, e.error_code, coalesce(e.occurrences, 1)
    from jsonb_to_recordset(events) as e (
        id uuid, occurred_at timestamptz, organization_id bigint, actor_kind text, actor_user_id bigint,
        actor_api_key_id bigint, impersonator_user_id bigint, action text, entity_type text, entity_id text,
        changed_fields text[], operation_id text, request_id text, outcome text, error_code text, occurrences integer);

    insert into audit_personal (audit_id, organization_id, ip, user_agent)
    select e.id, e.organization_id, e.ip, e.user_agent
    from jsonb_to_recordset(events) as e (id uuid, organization_id bigint, ip inet, user_agent text)
    where e.ip is not null or e.user_agent is not null;

    insert into audit_outbox (audit_id, organization_id)
    select e.id, e.organization_id
    from jsonb_to_recordset(events) as e (id uuid, organization_id bigint)
    order by e.id;
end $$;

-- Keys with which a clinic's programs call. Secrets are hashed with a key that the database doesn't
-- have (API_KEY_PEPPER); the prefix is there to tell keys apart.
create table api_keys (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    name text not null check (length(name) between 1 and 100),
    prefix text not null,
    secret_hash bytea not null,
    -- the secret before the last rotation, good until then
    previous_secret_hash bytea,
    previous_expires_at timestamptz,
    scopes text[] not null,
    created_by bigint references users (id) on delete set null,
    expires_at timestamptz,
    revoked_at timestamptz,
    -- to the minute
    last_used_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint api_keys_tenant_key unique (organization_id, id),
    constraint api_keys_previous_check check ((previous_secret_hash is null) = (previous_expires_at is null))
);
-- A key is looked up before its organization is known. Not unique: 256 random bits are.
create index api_keys_secret_idx on api_keys (secret_hash);
create index api_keys_previous_idx on api_keys (previous_secret_hash) where previous_secret_hash is not null;

-- An administrator acting as a patient, for a stated reason and a short time.
create table impersonations (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    token_hash bytea not null,
    impersonator_user_id bigint not null references users (id),
    patient_id bigint not null,
    patient_user_id bigint not null references users (id),
    reason text not null check (length(reason) between 1 and 500),
    expires_at timestamptz not null,
    revoked_at timestamptz,
    created_at timestamptz not null default now(),
    constraint impersonations_tenant_key unique (organization_id, id),
    constraint impersonations_patient_fkey foreign key (organization_id, patient_id) references patients (organization_id, id),
    constraint impersonations_time_check check (expires_at <= created_at + interval '30 minutes')
);
create index impersonations_token_idx on impersonations (token_hash);
create index impersonations_patient_idx on impersonations (organization_id, patient_id);

alter table api_keys enable row level security;
alter table api_keys force row level security;
create policy api_keys_owner on api_keys to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy api_keys_admin on api_keys to restartix_app
    using (organization_id = (select context_organization()) and (select context_role()) = 'admin')
    with check (organization_id = (select context_organization()) and (select context_role()) = 'admin');
grant select, insert, update on api_keys to restartix_app;

alter table impersonations enable row level security;
alter table impersonations force row level security;
create policy impersonations_owner on impersonations to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy impersonations_admin on impersonations to restartix_app
    using (organization_id = (select context_organization()) and (select context_role()) = 'admin')
    with check (organization_id = (select context_organization()) and (select context_role()) = 'admin');
grant select, insert, update on impersonations to restartix_app;

-- As for users: whoever changes a credential, every process hears of it. The payload says what kind of
-- thing changed and its id.
create function credential_notify() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    perform pg_notify('identity_changed', tg_argv[0] || ':' || coalesce(new.id, old.id));
    return null;
end $$;
create trigger api_keys_notify
    after delete or update of secret_hash, previous_secret_hash, previous_expires_at, scopes, expires_at, revoked_at
    on api_keys for each row execute function credential_notify('api_key');
create trigger impersonations_notify after delete or update of revoked_at, expires_at on impersonations
    for each row execute function credential_notify('impersonation');

-- A key may see what the front desk may see; whether it may do what it asks for, its scopes say.
alter policy appointments_tenant on appointments
    using (organization_id = (select context_organization())
           and ((select context_role()) in ('admin', 'staff', 'api_key')
                or specialist_id = (select context_specialist())
                or patient_id = (select context_patient())))
    with check (organization_id = (select context_organization())
           and ((select context_role()) in ('admin', 'staff', 'api_key')
                or specialist_id = (select context_specialist())
                or patient_id = (select context_patient())));
alter policy patients_tenant on patients
    using (organization_id = (select context_organization())
           and ((select context_role()) in ('admin', 'staff', 'api_key')
                or id = (select context_patient())
                or ((select context_role()) = 'specialist'
                    and exists (select from appointments a
                                where a.organization_id = patients.organization_id and a.patient_id = patients.id
                                  and a.specialist_id = (select context_specialist()) and a.deleted_at is null))))
    with check (organization_id = (select context_organization())
           and ((select context_role()) in ('admin', 'staff', 'api_key')
                or id = (select context_patient())
                or ((select context_role()) = 'specialist'
                    and exists (select from appointments a
                                where a.organization_id = patients.organization_id and a.patient_id = patients.id
                                  and a.specialist_id = (select context_specialist()) and a.deleted_at is null))));
