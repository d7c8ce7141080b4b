-- Onboarding: a patient is entered once, together with an invitation to sign in and the consents that the clinic asked
-- for. Processes of the version before ignore all of this (decision 54).
set local lock_timeout = '5s';

-- Consents on their way to Telemetry, which is where they are kept: a row is deleted once Telemetry has it. Ids,
-- purposes and the version of a text; nobody reads it but the service itself.
create table consent_outbox (
    organization_id bigint not null references organizations (id),
    patient_id bigint not null,
    -- made by the service: Telemetry stores a decision that is sent twice once
    id uuid not null,
    purpose text not null check (purpose in ('analytics', 'media', 'pose')),
    granted boolean not null,
    text_version text not null check (text_version ~ '^[A-Za-z0-9_.:-]{1,128}$'),
    -- nobody's to write: when the transaction began
    decided_at timestamptz not null default now(),
    primary key (organization_id, patient_id, id),
    constraint consent_outbox_patient_fkey foreign key (organization_id, patient_id)
        references patients (organization_id, id)
);
select tenant_table('consent_outbox', 'insert (organization_id, patient_id, id, purpose, granted, text_version)',
                    reads => 'false', writes => '(select context_role()) in (''admin'', ''staff'', ''api_key'')');

-- Invites the person of an address to sign in as a patient whom the transaction at hand has created: only
-- administrators link the records that there are. Returns what was written, which the front desk and programs may not
-- read.
create function new_patient_invite(new_patient bigint, invitation_uid uuid, invited_index bytea,
                                   invited_sealed bytea, invited_key bytea, invited_version integer)
returns table (invitation_id bigint, expires timestamptz, created timestamptz)
language sql volatile security definer set search_path = pg_catalog, public as $$
    insert into invitations (organization_id, uid, kind, role, patient_id, email_index, email_encrypted,
                             data_key_wrapped, invited_by, indexes_version)
    select p.organization_id, invitation_uid, 'patient_link', 'patient', p.id, invited_index, invited_sealed,
           invited_key, context_user(), invited_version
    from patients p
    where p.organization_id = context_organization() and p.id = new_patient and p.user_id is null
      -- nobody's to write: when its transaction began
      and p.created_at = now()
      and context_role() in ('admin', 'staff', 'api_key', 'superadmin')
    returning invitations.id, invitations.expires_at, invitations.created_at
$$;
revoke execute on function new_patient_invite(bigint, uuid, bytea, bytea, bytea, integer) from public;
grant execute on function new_patient_invite(bigint, uuid, bytea, bytea, bytea, integer) to restartix_app;

-- Jobs that an onboarding leaves, and one that every new link between a patient and a user leaves: by the owner's role
-- where a person accepts, or by an administrator.
update job_kinds set roles = '{admin,staff,api_key}' where kind = 'invitation_send';
insert into job_kinds (kind, roles) values ('consent_push', '{admin,staff,api_key}'), ('consent_join', '{admin}');
