-- Organizations, numbered from 1, each with a person at the front desk. Written without a context.
begin;

insert into organizations (name, slug, timezone)
select 'Bench ' || n, 'bench-' || n, 'Europe/Berlin' from generate_series(1, :organizations) n order by n;

insert into users (clerk_id, name, current_organization_id)
select 'user_bench_' || n, 'Front desk ' || n, n from generate_series(1, :organizations) n order by n;

insert into memberships (organization_id, user_id, role)
select id, current_organization_id, 'staff' from users order by id;

commit;
