-- Run as the superuser, after the service has created the fields and the form template of the rule, and the patients
-- are there: gives each of them two values in its profile and two appointments, and every third a form. Foreign keys
-- and triggers are skipped, which is what takes longest.
set session_replication_role = replica;

insert into specialists (organization_id, name, timezone) values (1, 'Specialist', 'Europe/Berlin');

insert into profiles (organization_id, entity, patient_id)
select 1, 'patient', id from patients where organization_id = 1 order by id;

insert into profile_values (organization_id, uid, entity, patient_id, custom_field_id, key, field_version, phi,
                            data_key_id, number_value, boolean_value, changed_in)
select 1, gen_random_uuid(), 'patient', p.id, v.field, v.key, 1, false, p.data_key_id,
       case when v.key = 'weight' then p.id % 100 end, case when v.key = 'smokes' then p.id % 4 = 0 end, 1
from patients p, (values (:weight, 'weight'), (:smokes, 'smokes')) v (field, key)
where p.organization_id = 1
order by p.id;

insert into appointments (organization_id, status, started_at, ended_at, block, specialist_id, patient_id)
select 1, 'completed', t.start, t.start + interval '10 minutes',
       tstzrange(t.start, t.start + interval '10 minutes'), s.id, p.id
from patients p, generate_series(1, 2) n,
     lateral (select now() - interval '1 hour' * (p.id % 2000 + n * 3) as start) t,
     (select max(id) as id from specialists where organization_id = 1) s
where p.organization_id = 1
order by p.id, n;

with made as (
    insert into forms (organization_id, uid, patient_id, data_key_id, form_template_id, form_template_version, name,
                       language, status, document_encrypted, submitted_at)
    select 1, gen_random_uuid(), id, data_key_id, :form, 1, 'Form', 'en', 'submitted', '\x00', now()
    from patients where organization_id = 1 and id % 3 = 0 order by id
    returning id, patient_id)
insert into form_answers (organization_id, form_id, patient_id, form_template_id, key, is_score, number_value)
select 1, id, patient_id, :form, 'hours', false, id % 7 from made;
