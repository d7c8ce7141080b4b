-- Every statement of a request runs with five transaction-local settings that say who asks and in
-- which organization. Policies read them through these functions; an absent or empty setting is
-- null (after a transaction-local setting ends, PostgreSQL leaves '' behind), and null matches no
-- row, so a statement without a context fails closed.
create extension if not exists btree_gist;
create extension if not exists pg_trgm;

create function context_user() returns bigint language sql stable parallel safe
    return nullif(current_setting('app.current_user_id', true), '')::bigint;

create function context_organization() returns bigint language sql stable parallel safe
    return nullif(current_setting('app.current_org_id', true), '')::bigint;

create function context_role() returns text language sql stable parallel safe
    return nullif(current_setting('app.current_role', true), '');

create function context_patient() returns bigint language sql stable parallel safe
    return nullif(current_setting('app.current_patient_id', true), '')::bigint;

create function context_specialist() returns bigint language sql stable parallel safe
    return nullif(current_setting('app.current_specialist_id', true), '')::bigint;

grant usage on schema public to restartix_app;

-- Enters a caller's context for the transaction at hand. A function, so that a read of one query
-- can do it in that very query; its result is always true, there to be depended on.
create function context_enter(user_id bigint, organization_id bigint, role text, patient_id bigint, specialist_id bigint)
returns boolean language plpgsql volatile as $$
begin
    perform set_config('app.current_user_id', coalesce(user_id::text, ''), true),
            set_config('app.current_org_id', coalesce(organization_id::text, ''), true),
            set_config('app.current_role', coalesce(role, ''), true),
            set_config('app.current_patient_id', coalesce(patient_id::text, ''), true),
            set_config('app.current_specialist_id', coalesce(specialist_id::text, ''), true);
    return true;
end $$;
