-- Run as the superuser, after the service has created one patient: copies it `patients - 1` times under other names.
-- The copies have its data key and the versions that the service states, so that the refresh of values leaves them
-- alone. Their names are ASCII, or have one umlaut, so that folding needs no more than `lower` and `translate`; the
-- bytes that they sort by stand in for a sort key of the same order and about the same length.
insert into patients (organization_id, uid, data_key_id, first_name, last_name, name_folded, name_sort, name_keys_version,
                      indexes_version)
select p.organization_id, gen_random_uuid(), p.data_key_id, n.first, n.last,
       translate(lower(n.first || ' ' || n.last), 'ü', 'u'),
       convert_to(translate(lower(n.last || '~' || n.first), 'ü', 'u'), 'UTF8'), p.name_keys_version, p.indexes_version
from (select * from patients order by id limit 1) p, generate_series(1, :patients - 1) k,
     lateral (select (array['Ada', 'Alan', 'Barbara', 'Carl', 'Donald', 'Edsger', 'Frances', 'Grace', 'Hedy', 'Ines',
                            'John', 'Karen', 'Leslie', 'Margaret', 'Niklaus', 'Radia'])[1 + k % 16] as first,
                     case when k % 1000 = 0 then 'Müller'
                     else (array['Ber', 'Dor', 'Fal', 'Gar', 'Hel', 'Kin', 'Lan', 'Mar', 'Nor', 'Ost', 'Pel', 'Ros', 'Sil',
                                 'Tan', 'Vor', 'Win'])[1 + k / 16 % 16]
                          || (array['ba', 'den', 'fe', 'go', 'hus', 'ke', 'lo', 'man', 'ne', 'pa', 'ri', 'sen', 'ta', 'ver',
                                    'wi', 'zel'])[1 + k / 256 % 16]
                          || (array['berg', 'dal', 'feld', 'gard', 'heim', 'holm', 'ling', 'mann', 'naes', 'quist', 'rup',
                                    'son', 'stad', 'torp', 'vik', 'wald'])[1 + k / 4096 % 16] end as last) n
order by k;
