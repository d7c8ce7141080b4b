-- What a caller calls its request stands with what erasure removes; `request_id` is made by the service.
alter table audit_personal add column client_request_id uuid;

-- As it was, and takes that along.
create or replace function audit_append(payload text) returns void
language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    events constant jsonb := convert_from(decode(payload, 'hex'), 'UTF8')::jsonb;
begin
    perform audit_actor_check(events);

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

    insert into audit_personal (audit_id, organization_id, ip, user_agent, client_request_id)
    select e.id, e.organization_id, e.ip, e.user_agent, e.client_request_id
    from jsonb_to_recordset(events) as e (
        id uuid, organization_id bigint, ip inet, user_agent text, client_request_id uuid)
    where e.ip is not null or e.user_agent is not null or e.client_request_id is not null;

    insert into audit_outbox (audit_id, organization_id)
    select e.id, e.organization_id
    from jsonb_to_recordset(events) as e (id uuid, organization_id bigint)
    order by e.id;
end $$;
