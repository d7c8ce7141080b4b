-- Run as the superuser in a database of its own: the clinic of `bench --forms` without patients. The front desk of
-- organization 2 administers it. Prints the id of its specialist.
begin;

insert into memberships (organization_id, user_id, role)
select 1, id, 'admin' from users where clerk_id = 'user_bench_2';

insert into specialists (organization_id, name, timezone) values (1, 'Specialist', 'Europe/Berlin');

commit;

select id from specialists;
