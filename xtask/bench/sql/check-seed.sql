-- Run as the application role: prints the number of visible appointments without a context, and within organization 1
-- their number, lowest id and highest id.
select count(*) from appointments;
begin;
select set_config('app.current_user_id', '1', true), set_config('app.current_org_id', '1', true),
       set_config('app.current_role', 'staff', true) \g /dev/null
select count(*), min(id), max(id) from appointments;
commit;
