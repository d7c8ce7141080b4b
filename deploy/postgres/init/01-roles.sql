-- The four roles and two databases, for a server that belongs to RestartiX alone. Run once by a superuser, through
-- psql, connected to any database: by the container image at its first start, and by `cargo xtask` for the embedded
-- server. Running it again changes nothing. The passwords are for development; a real installation sets its own.

-- None is a superuser or bypasses row level security: the owner of a table is bound by its policies as well
-- (force row level security), and the application role owns nothing.
select format('create role %I login nosuperuser nobypassrls nocreatedb nocreaterole password %L', name, name)
from unnest(array['restartix', 'restartix_app', 'restartix_telemetry', 'restartix_telemetry_app']) as name
where not exists (select from pg_roles where rolname = name)
\gexec

select format('create database %I owner %I', name, name)
from unnest(array['restartix', 'restartix_telemetry']) as name
where not exists (select from pg_database where datname = name)
\gexec

-- Each service reaches its own database only.
revoke all on database restartix from public;
grant connect on database restartix to restartix_app;
revoke all on database restartix_telemetry from public;
grant connect on database restartix_telemetry to restartix_telemetry_app;
