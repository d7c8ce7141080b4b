-- Run as the superuser in a database of its own: the clinic of `bench --scale` without patients and appointments.
-- Organization 2 shares the tables.
begin;

insert into specialists (organization_id, name, timezone, horizon_days)
select 1, 'Specialist ' || k, 'Europe/Berlin', 366 from generate_series(1, :specialists) k order by k;

insert into specialist_hours (organization_id, specialist_id, weekday, starts_at, ends_at)
select 1, s.id, d, '08:00', '18:00' from specialists s, generate_series(1, 7) d;

insert into appointment_templates (organization_id, name, slug, duration_minutes, modality)
values (1, 'Follow-up', 'follow-up', 30, 'in_person');

commit;
