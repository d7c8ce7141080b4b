-- What row-level security can decide, it decides: by who the context says is asking, and nothing else.

-- Whether statements come from the application's role, in a definer's function too.
create function context_is_app() returns boolean language sql stable parallel safe
    return 'restartix_app' in (session_user::text, current_user::text);

-- The application never runs the platform and is never the service itself: whoever is that uses the owner's
-- role. A context that says so all the same is a fault, and nobody's: it has no role, user and organization.
create or replace function context_role() returns text language sql stable parallel safe
    return nullif(case when context_is_app() and current_setting('app.current_role', true) in ('superadmin', 'system') then ''
                       else current_setting('app.current_role', true) end, '');

create or replace function context_user() returns bigint language sql stable parallel safe
    return case when context_is_app() and current_setting('app.current_role', true) in ('superadmin', 'system') then null
                else nullif(current_setting('app.current_user_id', true), '')::bigint end;

-- Nobody of no role is in an organization.
create or replace function context_organization() returns bigint language sql stable parallel safe
    return case when context_is_app() and context_role() is null then null
                else nullif(current_setting('app.current_org_id', true), '')::bigint end;

-- What writes: the key, or the administrator who acts as the user. 0 is none. A context of the five that
-- statements which only read enter, or an earlier version of the service, says neither.
create function context_api_key() returns bigint language sql stable parallel safe
    return nullif(nullif(current_setting('app.current_api_key_id', true), ''), '0')::bigint;

create function context_impersonator() returns bigint language sql stable parallel safe
    return nullif(nullif(current_setting('app.current_impersonator_id', true), ''), '0')::bigint;

create function context_names_actor() returns boolean language sql stable parallel safe
    return coalesce(current_setting('app.current_impersonator_id', true), '') <> '';

create or replace function context_enter(user_id bigint, organization_id bigint, role text, patient_id bigint, specialist_id bigint)
returns boolean language plpgsql volatile as $$
begin
    if role in ('superadmin', 'system') and context_is_app() then
        raise exception 'the application role is never %', role using errcode = 'insufficient_privilege';
    end if;
    perform set_config('app.current_user_id', coalesce(user_id::text, ''), true),
            set_config('app.current_org_id', coalesce(organization_id::text, ''), true),
            set_config('app.current_role', coalesce(role, ''), true),
            set_config('app.current_patient_id', coalesce(patient_id::text, ''), true),
            set_config('app.current_specialist_id', coalesce(specialist_id::text, ''), true);
    return true;
end $$;

-- The context of a transaction, which may write.
create function context_enter(user_id bigint, organization_id bigint, role text, patient_id bigint, specialist_id bigint,
                              api_key_id bigint, impersonator_id bigint)
returns boolean language plpgsql volatile as $$
begin
    perform set_config('app.current_api_key_id', coalesce(api_key_id, 0)::text, true),
            set_config('app.current_impersonator_id', coalesce(impersonator_id, 0)::text, true);
    return context_enter(user_id, organization_id, role, patient_id, specialist_id);
end $$;

-- Refuses audit rows that say another actor than the context does, or that it was elsewhere. What was refused or
-- went wrong has no transaction to be part of, and is the owner's to write; so is what nobody asked for.
create function audit_actor_check(events jsonb) returns void
language plpgsql stable set search_path = pg_catalog, public as $$
declare
    by_app constant boolean := context_is_app();
    named constant boolean := context_names_actor();
    actor constant bigint := context_user();
    key constant bigint := context_api_key();
begin
    if not by_app and actor is null and key is null then
        return;
    end if;
    if exists (
        select from jsonb_to_recordset(events) as e (
            organization_id bigint, actor_kind text, actor_user_id bigint, actor_api_key_id bigint,
            impersonator_user_id bigint, outcome text)
        where by_app and (e.organization_id is distinct from context_organization() or e.outcome is distinct from 'succeeded')
           or (e.actor_kind, e.actor_user_id) is distinct from (case when actor is null then 'api_key' else 'user' end, actor)
           or e.actor_api_key_id is distinct from case when named or actor is not null then key else e.actor_api_key_id end
           or e.impersonator_user_id is distinct from case when named then context_impersonator()
                                                           else e.impersonator_user_id end)
    then
        raise exception 'an audit row says another actor, organization or outcome than its context'
            using errcode = 'insufficient_privilege';
    end if;
end $$;

-- The trail is appended to by this function and in no other way.
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

    insert into audit_personal (audit_id, organization_id, ip, user_agent)
    select e.id, e.organization_id, e.ip, e.user_agent
    from jsonb_to_recordset(events) as e (id uuid, organization_id bigint, ip inet, user_agent text)
    where e.ip is not null or e.user_agent is not null;

    insert into audit_outbox (audit_id, organization_id)
    select e.id, e.organization_id
    from jsonb_to_recordset(events) as e (id uuid, organization_id bigint)
    order by e.id;
end $$;
revoke execute on function audit_append(text) from public;
grant execute on function audit_append(text) to restartix_app;
drop policy audit_log_append on audit_log;
drop policy audit_personal_append on audit_personal;
drop policy audit_outbox_append on audit_outbox;
create policy audit_outbox_none on audit_outbox to restartix_app using (false);
revoke insert on audit_log, audit_personal, audit_outbox from restartix_app;
