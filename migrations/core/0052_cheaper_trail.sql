-- The trail with less work for each entry: the same checks and the same rows (decision 44).
set local lock_timeout = '5s';

-- Only audit_append adds to the trail, whoever the caller is, and it checks what policies and constraints checked. A policy
-- reads the settings for each of the three tables, and PostgreSQL reads the text of a CHECK for each statement.
alter policy audit_log_owner on audit_log with check (true);
alter policy audit_personal_owner on audit_personal with check (true);
alter policy audit_outbox_owner on audit_outbox with check (true);
alter table audit_log
    drop constraint audit_log_actor_kind_check,
    drop constraint audit_log_outcome_check,
    drop constraint audit_log_occurrences_check;

-- As before; refuses entries of another organization than the context's also if the owner appends them, and words that
-- the trail has no meaning for.
create or replace function audit_append(payload text) returns void
language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    by_app constant boolean := context_is_app();
    named constant boolean := context_names_actor();
    organization constant bigint := context_organization();
    actor constant bigint := context_user();
    key constant bigint := context_api_key();
    impersonator constant bigint := context_impersonator();
    -- Requests that were refused or failed have no transaction to be part of, and are the owner's to write; so is
    -- what nobody asked for.
    checked constant boolean := by_app or actor is not null or key is not null;
    refused bigint;
begin
    with entries as materialized (
        select * from jsonb_to_recordset(convert_from(decode(payload, 'hex'), 'UTF8')::jsonb) as e (
            id uuid, occurred_at timestamptz, organization_id bigint, actor_kind text, actor_user_id bigint,
            actor_api_key_id bigint, impersonator_user_id bigint, action text, entity_type text, entity_id text,
            changed_fields text[], operation_id text, request_id text, outcome text, error_code text, occurrences integer,
            ip inet, user_agent text, client_request_id uuid)
    ), trail as (
        insert into audit_log (id, occurred_at, organization_id, actor_kind, actor_user_id, actor_api_key_id,
                               impersonator_user_id, action, entity_type, entity_id, changed_fields, operation_id, request_id,
                               outcome, error_code, occurrences)
        select e.id, e.occurred_at, e.organization_id, e.actor_kind, e.actor_user_id, e.actor_api_key_id,
               e.impersonator_user_id, e.action, e.entity_type, e.entity_id, coalesce(e.changed_fields, '{}'),
               e.operation_id, e.request_id, e.outcome, e.error_code, coalesce(e.occurrences, 1)
        from entries e
    ), personal as (
        insert into audit_personal (audit_id, organization_id, ip, user_agent, client_request_id)
        select e.id, e.organization_id, e.ip, e.user_agent, e.client_request_id
        from entries e
        where e.ip is not null or e.user_agent is not null or e.client_request_id is not null
    ), outbox as (
        insert into audit_outbox (audit_id, organization_id)
        select e.id, e.organization_id from entries e order by e.id
    )
    select count(*) into refused
    from entries e
    where e.organization_id is distinct from coalesce(organization, case when not by_app then e.organization_id end)
       or e.outcome is null or e.outcome not in ('succeeded', 'denied', 'failed')
       or e.actor_kind is null or e.actor_kind not in ('user', 'api_key', 'system', 'anonymous')
       or e.occurrences < 1
       or checked
          and (by_app and e.outcome is distinct from 'succeeded'
               or e.actor_kind is distinct from case when actor is null then 'api_key' else 'user' end
               or e.actor_user_id is distinct from actor
               or e.actor_api_key_id is distinct from case when named or actor is not null then key else e.actor_api_key_id end
               or e.impersonator_user_id is distinct from case when named then impersonator else e.impersonator_user_id end);
    if refused > 0 then
        raise exception 'an audit row says another actor, organization, outcome or number than its context'
            using errcode = 'insufficient_privilege';
    end if;
end $$;
