-- Segments: the patients for whom a clinic's rule is true, found by jobs and kept with their history (decision 57).
set local lock_timeout = '5s';

-- A rule and its last evaluation. Whatever the rule names is also in segment_references.
create table segments (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    name text not null check (length(name) between 1 and 200),
    description text not null default '',
    rule jsonb not null,
    -- counts the changes of name, description and rule
    version bigint not null default 1 check (version > 0),
    -- counts the changes of the rule alone
    rule_version integer not null default 1 check (rule_version > 0),
    -- first rule whose members and history other roles than administrators see: the one before read something else
    shown_from integer not null default 1,
    -- first evaluation of that rule, since when members are for other roles, unless it is the first rule
    shown_at timestamptz,
    -- kinds of rows that the rule reads, whose changes make an evaluation due
    sources text[] not null check (
        sources <@ array['patients', 'profiles', 'appointments', 'forms', 'segments'] and 'patients' = any (sources)),
    state text not null default 'valid' check (state in ('valid', 'invalid')),
    -- reasons for which the rule can't be evaluated any more, with pointers
    faults jsonb not null default '[]',
    -- time of the next evaluation: the next local midnight, or the change of something that the rule reads
    due_at timestamptz not null default now(),
    evaluated_at timestamptz,
    evaluated_rule_version integer,
    -- number of evaluations that have changed something
    evaluations bigint not null default 0,
    member_count bigint not null default 0,
    -- patients who are no members because a value is missing
    missing_count bigint not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    name_folded text,
    name_sort bytea,
    name_keys_version integer,
    constraint segments_tenant_key unique (organization_id, id),
    constraint segments_shown_check check (shown_from between 1 and rule_version),
    constraint segments_evaluated_check check ((evaluated_at is null) = (evaluated_rule_version is null)),
    constraint segments_faults_check check ((state = 'invalid') = (jsonb_array_length(faults) > 0))
);
create unique index segments_folded_key on segments (organization_id, name_folded) where name_folded is not null;
create index segments_sort_idx on segments (organization_id, name_sort, id);
create index segments_due_idx on segments (due_at);
create trigger segments_name_keys before update of name on segments
    for each row when (new.name is distinct from old.name and new.name_sort is not distinct from old.name_sort)
    execute function name_keys_outdated();
-- Processes remember whether an organization has segments, and what they read.
create trigger segments_audience after insert or update of sources on segments
    for each row execute function audience_notify();

-- Everything that a rule names: such a field or template is in use, so deleting it archives it, and such a segment
-- can't be deleted.
create table segment_references (
    id bigint generated always as identity primary key,
    organization_id bigint not null,
    segment_id bigint not null,
    custom_field_id bigint,
    form_template_id bigint,
    appointment_template_id bigint,
    referred_segment_id bigint,
    constraint segment_references_one_check check (
        num_nonnulls(custom_field_id, form_template_id, appointment_template_id, referred_segment_id) = 1),
    constraint segment_references_other_check check (referred_segment_id <> segment_id),
    constraint segment_references_key unique nulls not distinct
        (organization_id, segment_id, custom_field_id, form_template_id, appointment_template_id, referred_segment_id),
    constraint segment_references_segment_fkey foreign key (organization_id, segment_id)
        references segments (organization_id, id) on delete cascade,
    constraint segment_references_field_fkey foreign key (organization_id, custom_field_id)
        references custom_fields (organization_id, id),
    constraint segment_references_form_fkey foreign key (organization_id, form_template_id)
        references form_templates (organization_id, id),
    constraint segment_references_appointment_fkey foreign key (organization_id, appointment_template_id)
        references appointment_templates (organization_id, id),
    constraint segment_references_referred_fkey foreign key (organization_id, referred_segment_id)
        references segments (organization_id, id)
);
create index segment_references_field_idx on segment_references (organization_id, custom_field_id)
    where custom_field_id is not null;
create index segment_references_form_idx on segment_references (organization_id, form_template_id)
    where form_template_id is not null;
create index segment_references_appointment_idx on segment_references (organization_id, appointment_template_id)
    where appointment_template_id is not null;
create index segment_references_referred_idx on segment_references (organization_id, referred_segment_id)
    where referred_segment_id is not null;

-- Members as of the last evaluation. Neither segments nor patients are foreign keys. An evaluation writes up to a row
-- for each patient and holds the row of the segment: checking its key took as long as finding the patients, and checking
-- that of patients would lock, and write, the row of each. segment_rows_delete() ends the rows of a segment; rows of
-- patients stay for good, and segments_patient_hold() sees to erasures.
create table segment_members (
    id bigint generated always as identity primary key,
    organization_id bigint not null,
    segment_id bigint not null,
    patient_id bigint not null,
    joined_at timestamptz not null,
    constraint segment_members_patient_key unique (organization_id, segment_id, patient_id)
);
create index segment_members_patient_idx on segment_members (organization_id, patient_id, segment_id);

-- Who joined and who left, by evaluation.
create table segment_history (
    id bigint generated always as identity primary key,
    organization_id bigint not null,
    segment_id bigint not null,
    patient_id bigint not null,
    kind text not null check (kind in ('joined', 'left')),
    evaluation bigint not null,
    rule_version integer not null,
    happened_at timestamptz not null
);
create index segment_history_segment_idx on segment_history (organization_id, segment_id, id);
create index segment_history_patient_idx on segment_history (organization_id, patient_id, segment_id, id);

-- Members and history go with their segment. An evaluation under way is waited for, as it holds the row of the segment.
create function segment_rows_delete() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
    delete from segment_members where organization_id = old.organization_id and segment_id = old.id;
    delete from segment_history where organization_id = old.organization_id and segment_id = old.id;
    return null;
end $$;
revoke execute on function segment_rows_delete() from public;
create trigger segments_rows_delete after delete on segments for each row execute function segment_rows_delete();

-- Ids of the segments that tell the context's role nothing but what it may read anyway: none whose rule reads a custom
-- field that is not for the role, and for specialists, who see no appointments of others, none that reads appointments;
-- none whose members were found by a rule before that may have read such things; nor one that reads the members of such
-- a segment. Runs as the owner: what a rule names is for administrators.
create function segments_readable() returns bigint[]
language sql stable security definer set search_path = pg_catalog, public
begin atomic
    with recursive barred (id) as (
        select s.id
        from segments s
        where s.organization_id = context_organization()
          and (s.evaluated_rule_version < s.shown_from
               or context_role() = 'specialist' and 'appointments' = any (s.sources)
               or exists (select from segment_references r
                          where r.organization_id = s.organization_id and r.segment_id = s.id
                            and r.custom_field_id is not null
                            and not r.custom_field_id = any ((select fields_readable())::bigint[])))
        union
        select r.segment_id
        from barred b
        join segment_references r on r.organization_id = context_organization() and r.referred_segment_id = b.id
    )
    select coalesce(array_agg(s.id), '{}')
    from segments s
    where s.organization_id = context_organization() and context_role() in ('admin', 'specialist', 'staff')
      and not s.id in (select b.id from barred b);
end;

-- First rule whose history is for the context's role, by the id of each segment that it sees.
create function segments_shown() returns jsonb
language sql stable security definer set search_path = pg_catalog, public
begin atomic
    select coalesce(jsonb_object_agg(s.id, s.shown_from), '{}')
    from segments s
    where s.organization_id = context_organization() and s.id = any ((select segments_readable())::bigint[]);
end;
revoke execute on function segments_readable(), segments_shown() from public;
grant execute on function segments_readable(), segments_shown() to restartix_app;

-- An administrator reads every field, and a row that it has just inserted is not among the readable ones yet.
select tenant_table('segments',
    'select,
     insert (organization_id, name, description, rule, sources, name_folded, name_sort, name_keys_version),
     update (name, description, rule, version, rule_version, shown_from, sources, state, faults, due_at, updated_at,
             name_folded, name_sort, name_keys_version),
     delete',
    reads => $$(select context_role() = 'admin') or id = any ((select segments_readable())::bigint[])$$);
select tenant_table('segment_references',
    'select,
     insert (organization_id, segment_id, custom_field_id, form_template_id, appointment_template_id,
             referred_segment_id),
     delete',
    reads => $$(select context_role() = 'admin')$$);
-- Evaluations write them, as the owner.
do $$
declare
    part text;
    shown text;
begin
    foreach part in array array['segment_members', 'segment_history'] loop
        shown := case part
            when 'segment_members' then 'segment_id = any ((select segments_readable())::bigint[])'
            else 'rule_version >= ((select segments_shown()) -> segment_id::text)::integer'
            end;
        perform tenant_table(
            part::regclass, 'select',
            reads => format('((select context_role() = ''admin'') or %s)
                             and ((select context_role() in (''admin'', ''staff''))
                                  or (select context_role() = ''specialist'') and record_reached(patient_id))', shown),
            writes => 'false');
    end loop;
end $$;

-- An erased patient is in no segment: an evaluation that has begun is waited for, and so is a rule that is being
-- written, whose segment is not visible yet; an evaluation that comes later finds the patient erased. The segments
-- become due, since an erasure of a person in all clinics leaves no job in any of them. Locks in the order that
-- everybody keeps who locks several segments, after the lock that writers of rules have.
create function segments_patient_hold() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('segments:' || new.organization_id || ':0', 0));
    update segments s set due_at = now()
    where s.organization_id = new.organization_id
      and s.id = any(array(select d.id from segments d
                           where d.organization_id = new.organization_id
                           order by d.id
                           for no key update));
    return null;
end $$;
revoke execute on function segments_patient_hold() from public;
create trigger patients_segments_hold after update of erased_at on patients
    for each row when (new.erased_at is not null and old.erased_at is null) execute function segments_patient_hold();

-- Folds a text for comparisons without regard to letter case and accents, as far as SQL can. One expression without
-- settings, so that the planner puts it in place of a call for each row.
create function text_folded(given text) returns text
language sql immutable parallel safe
return case when octet_length(given) = length(given) then translate(lower(given collate "C"), '`', '''')
            else replace(replace(replace(replace(
                     translate(regexp_replace(normalize(lower(normalize(translate(given, '´', ''''), nfkd)), nfkd),
                                              '[\u0300-\u036f]', '', 'g'),
                               'ςøłđðħŧı’‘ʼ`´‐‑‒–—', 'σolddhti''''''''''-----'),
                     'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th') end;

insert into job_kinds (kind, roles) values
    -- whoever changes what a segment may read
    ('segments_follow', '{admin,specialist,staff,patient,api_key}'),
    -- whoever writes a rule
    ('segment_evaluate', '{admin}');
