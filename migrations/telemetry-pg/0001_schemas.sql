-- One schema a concern. Tenant tables carry organization_id; row level security compares it with the
-- transaction's context, which a pool without one leaves empty: then the application role sees nothing.
create schema audit;
create schema security;
create schema staff;
create schema privacy;
create schema ops;

-- The application role reaches what each migration grants it by name, nothing by default.
grant usage on schema audit, privacy to restartix_telemetry_app;
