-- The functions that policies compare with, as calls. Written in SQL they were copied into each statement, where each
-- copy was set up anew: a tenth of PostgreSQL's time of a booking (decision 44). The same values as before; the role is
-- compared before the roles of the session are looked up.
create or replace function context_role() returns text language plpgsql stable parallel safe as $$
begin
    return nullif(case when current_setting('app.current_role', true) in ('superadmin', 'system') and context_is_app() then ''
                       else current_setting('app.current_role', true) end, '');
end $$;

create or replace function context_user() returns bigint language plpgsql stable parallel safe as $$
begin
    return case when current_setting('app.current_role', true) in ('superadmin', 'system') and context_is_app() then null
                else nullif(current_setting('app.current_user_id', true), '')::bigint end;
end $$;

create or replace function context_organization() returns bigint language plpgsql stable parallel safe as $$
begin
    return case when context_role() is null and context_is_app() then null
                else nullif(current_setting('app.current_org_id', true), '')::bigint end;
end $$;

create or replace function context_patient() returns bigint language plpgsql stable parallel safe as $$
begin
    return case when context_role() = 'patient' then nullif(current_setting('app.current_patient_id', true), '')::bigint end;
end $$;

create or replace function context_specialist() returns bigint language plpgsql stable parallel safe as $$
begin
    return case when context_role() = 'specialist'
                then nullif(current_setting('app.current_specialist_id', true), '')::bigint end;
end $$;
