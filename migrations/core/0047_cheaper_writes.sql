-- Functions that every write runs, with less work for each: the same checks and the same rows (decision 44).

-- An appointment's specialist is of its organization by a foreign key, and a specialist's organization exists by another.
-- Checking it again cost a look-up for each row, and parallel bookings of a clinic shared a lock on its one row.
alter table appointments drop constraint appointments_organization_id_fkey;

-- Enters the context in one expression, which plpgsql evaluates without running a query.
create or replace function context_enter(user_id bigint, organization_id bigint, role text, patient_id bigint,
                                         specialist_id bigint, api_key_id bigint, impersonator_id bigint)
returns boolean language plpgsql volatile as $$
begin
    if role in ('superadmin', 'system') and context_is_app() then
        raise exception 'the application role is never %', role using errcode = 'insufficient_privilege';
    end if;
    return set_config('app.current_user_id', coalesce(user_id::text, ''), true) is not null
       and set_config('app.current_org_id', coalesce(organization_id::text, ''), true) is not null
       and set_config('app.current_role', coalesce(role, ''), true) is not null
       and set_config('app.current_patient_id', coalesce(patient_id::text, ''), true) is not null
       and set_config('app.current_specialist_id', coalesce(specialist_id::text, ''), true) is not null
       and set_config('app.current_api_key_id', coalesce(api_key_id, 0)::text, true) is not null
       and set_config('app.current_impersonator_id', coalesce(impersonator_id, 0)::text, true) is not null;
end $$;

-- As before; reads the template only if there is one, with a plan that is made once for each connection. A plan for a
-- null id finds nothing and costs nothing, so the planner preferred to make one for each row.
create or replace function appointment_create_guard() returns trigger language plpgsql
set search_path = pg_catalog, public set plan_cache_mode = force_generic_plan as $$
begin
    if new.user_id is distinct from context_user()
       or new.waitlist_entry_id is not null
       or new.status = 'held' and (context_role() = 'specialist' or not context_holds(new.holder)
                                   or new.hold_expires_at > now() + interval '1 hour')
       or new.status not in ('held', 'scheduled') then
        raise exception 'an appointment comes to be scheduled, or held for a while, by who writes it'
            using errcode = 'insufficient_privilege';
    end if;
    new.cancellation_cutoff_minutes := 0;
    new.reschedule_cutoff_minutes := 0;
    if new.appointment_template_id is not null then
        select coalesce(max(t.cancellation_cutoff_minutes), 0), coalesce(max(t.reschedule_cutoff_minutes), 0)
        into new.cancellation_cutoff_minutes, new.reschedule_cutoff_minutes
        from appointment_templates t
        where t.organization_id = new.organization_id and t.id = new.appointment_template_id;
    end if;
    return new;
end $$;

-- As before, in one statement that reads the payload once: checks each entry against the context, and writes its row of the
-- trail, its personal part and its row of the outbox. A refused entry takes the whole transaction with it.
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
    where checked
      and (by_app and (e.organization_id is distinct from organization or e.outcome is distinct from 'succeeded')
           or e.actor_kind is distinct from case when actor is null then 'api_key' else 'user' end
           or e.actor_user_id is distinct from actor
           or e.actor_api_key_id is distinct from case when named or actor is not null then key else e.actor_api_key_id end
           or e.impersonator_user_id is distinct from case when named then impersonator else e.impersonator_user_id end);
    if refused > 0 then
        raise exception 'an audit row says another actor, organization or outcome than its context'
            using errcode = 'insufficient_privilege';
    end if;
end $$;
drop function audit_actor_check(jsonb);
