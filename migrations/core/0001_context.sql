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
