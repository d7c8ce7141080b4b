-- What a caller calls its request stands with what erasure removes; `request_id` is made by the service.
alter table audit_personal add column client_request_id uuid;

-- The function that appends to the trail takes it along. Only these places of it change, whatever else it does by
-- the time that this is applied.
do $$
declare
    changed text := pg_get_functiondef('audit_append(text)'::regprocedure);
    place record;
begin
    for place in
        select * from (values
            ('insert into audit_personal (audit_id, organization_id, ip, user_agent)',
             'insert into audit_personal (audit_id, organization_id, ip, user_agent, client_request_id)'),
            ('select e.id, e.organization_id, e.ip, e.user_agent', 'select e.id, e.organization_id, e.ip, e.user_agent, e.client_request_id'),
            ('ip inet, user_agent text)', 'ip inet, user_agent text, client_request_id uuid)'),
            ('e.ip is not null or e.user_agent is not null',
             'e.ip is not null or e.user_agent is not null or e.client_request_id is not null')
        ) as places (before, after)
    loop
        if strpos(changed, place.before) = 0 then
            raise exception 'audit_append is not the function that this migration changes: it has no "%"', place.before;
        end if;
        changed := replace(changed, place.before, place.after);
    end loop;
    execute changed;
end $$;
