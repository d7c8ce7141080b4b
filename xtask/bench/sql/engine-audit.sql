-- One batch of the audit trail, from a table to tables: PostgreSQL parses no values and sends none.
with event as materialized (
    select uuidv7() as new_id, * from bench.batch
), stored as (
    insert into bench.audit_logs (
        id, occurred_at, organization_id, actor_user_id, actor_kind, impersonator_user_id, action, entity_type, entity_id,
        changed_fields, request_id, outcome, operation_id, actor_api_key_id, entity_ids, occurrences, error_code)
    select new_id, occurred_at, organization_id, actor_user_id, actor_kind, impersonator_user_id, action, entity_type,
        entity_id, changed_fields, request_id, outcome, operation_id, actor_api_key_id, entity_ids, occurrences, error_code
    from event
)
insert into bench.audit_personal (audit_id, organization_id, ip, user_agent, client_request_id)
select new_id, organization_id, ip, user_agent, client_request_id from event;
