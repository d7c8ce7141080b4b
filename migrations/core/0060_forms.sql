-- Forms: answers of a patient to a published version of a form template (decision 56).
set local lock_timeout = '5s';

-- The records of each patient: its own, and those that were merged into it. Rows that never change keep naming the
-- record that they were made for, and are found by its owner.
create view patient_records with (security_invoker = true) as
    select p.organization_id, p.id as patient_id, p.id as owner_id from patients p
    where not exists (select from patient_merges m where m.organization_id = p.organization_id and m.patient_id = p.id)
    union all
    select m.organization_id, m.patient_id, m.owner_id from patient_merges m;
grant select on patient_records to restartix_app;

-- The records of the patient in the context.
create function own_records() returns bigint[] language sql stable set search_path = pg_catalog, public
begin atomic
    select array(select m.patient_id from patient_merges m
                 where m.organization_id = context_organization() and m.owner_id = context_patient())
           || context_patient();
end;
revoke execute on function own_records() from public;
grant execute on function own_records() to restartix_app;

create table forms (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    -- made by the service before the row exists: ciphertexts are bound to it
    uid uuid not null,
    -- the record that the form was made for, and its key; patient_records tells its owner
    patient_id bigint not null,
    data_key_id uuid not null,
    form_template_id bigint not null,
    form_template_version integer not null,
    -- of the template when the form was made: patients read no templates
    name text not null check (length(name) between 1 and 200),
    -- the signed form that this one corrects
    amends_id bigint,
    language text not null,
    status text not null default 'draft' check (status in ('draft', 'submitted', 'partly_signed', 'signed')),
    -- counts the saves, whose fields name it
    version bigint not null default 1 check (version > 0),
    due_at timestamptz,
    -- due when its appointment begins, whenever that is
    due_with_appointment boolean not null default false,
    -- set once `due_at` has passed without a submission
    overdue_at timestamptz,
    -- the answers, with the saves that brought them, until the first signature; from then on what was signed
    document_encrypted bytea,
    content_encrypted bytea,
    content_hash bytea check (octet_length(content_hash) = 32),
    created_by_user_id bigint default context_user(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    submitted_at timestamptz,
    signed_at timestamptz,
    constraint forms_tenant_key unique (organization_id, id),
    constraint forms_uid_key unique (organization_id, uid),
    constraint forms_content_check check (
        (content_encrypted is not null) = (status in ('partly_signed', 'signed'))
        and (content_hash is not null) = (content_encrypted is not null)
        and (document_encrypted is null) = (content_encrypted is not null)),
    constraint forms_times_check check (
        (submitted_at is null) = (status = 'draft') and (signed_at is not null) = (status = 'signed')),
    constraint forms_patient_fkey foreign key (organization_id, patient_id) references patients (organization_id, id),
    constraint forms_data_key_fkey foreign key (organization_id, data_key_id)
        references data_keys (organization_id, id),
    constraint forms_template_version_fkey foreign key (organization_id, form_template_id, form_template_version)
        references form_template_versions (organization_id, form_template_id, version),
    constraint forms_amends_fkey foreign key (organization_id, amends_id) references forms (organization_id, id)
);
-- Lists without a condition are read by forms_tenant_key.
-- Does not end with the id: a read by ids would skip through all patients while statistics are old.
create index forms_patient_idx on forms (organization_id, patient_id);
create index forms_template_idx on forms (organization_id, form_template_id, id);
create index forms_status_idx on forms (organization_id, status, id);
-- Those that can still move to another version, which publishing one lists; stated so that no other index serves it.
create index forms_open_idx on forms ((case when status in ('draft', 'submitted') then form_template_id end), id)
    where status in ('draft', 'submitted');
create index forms_amends_idx on forms (amends_id, organization_id) where amends_id is not null;
create index forms_due_idx on forms (due_at) where status = 'draft' and overdue_at is null and due_at is not null;

-- From the first signature on, a form stays as it is, whoever asks. Only the signatures that follow complete it.
create function form_refuse() returns trigger language plpgsql set search_path = pg_catalog, public as $$
declare
    completed constant text[] := '{status,version,updated_at,signed_at}';
begin
    if tg_table_name = 'forms' and tg_op = 'UPDATE' and tg_level = 'ROW' then
        if old.status = 'partly_signed' and new.status in ('partly_signed', 'signed')
           and to_jsonb(new) - completed = to_jsonb(old) - completed then
            return new;
        end if;
    end if;
    raise exception 'signed forms stay as they are' using errcode = 'restrict_violation';
end $$;
create trigger forms_frozen before update or delete on forms
    for each row when (old.status in ('partly_signed', 'signed')) execute function form_refuse();
create trigger forms_no_truncate before truncate on forms for each statement execute function form_refuse();

-- Returns `true` if the caller reaches the patient that a record belongs to. The policies of forms call functions
-- instead of comparing with other tables: a statement would contain the policies of those once more for each table that
-- it reads, and PostgreSQL sets up all of a plan for each execution.
create function record_reached(record bigint) returns boolean
language plpgsql stable set search_path = pg_catalog, public as $$
begin
    return exists (select from patients p
                   where p.id = coalesce((select m.owner_id from patient_merges m
                                          where m.organization_id = context_organization() and m.patient_id = record),
                                         record));
end $$;
revoke execute on function record_reached(bigint) from public;
grant execute on function record_reached(bigint) to restartix_app;

-- A form is reached by those who reach its patient; an API key as by the front desk.
select tenant_table('forms',
    'select,
     insert (organization_id, uid, patient_id, data_key_id, form_template_id, form_template_version, name, amends_id,
             language, due_at, due_with_appointment, document_encrypted),
     update (form_template_version, language, status, version, due_at, due_with_appointment, overdue_at,
             document_encrypted, content_encrypted, content_hash, updated_at, submitted_at, signed_at),
     delete',
    reads => $$(select context_role() in ('admin', 'staff', 'api_key'))
               or (select context_role() = 'patient') and patient_id = any ((select own_records())::bigint[])
               or (select context_role() = 'specialist') and record_reached(patient_id)$$,
    writes => $$(select context_role() in ('admin', 'staff', 'api_key'))
                or (select context_role() = 'patient') and patient_id = any ((select own_records())::bigint[])
                or (select context_role() = 'specialist') and record_reached(patient_id)$$);
-- Drafts are deleted, a patient's only those that it has made.
create policy forms_delete_draft on forms as restrictive for delete to restartix_app
    using (status = 'draft'
           and ((select context_role() <> 'patient') or created_by_user_id = (select context_user())));

-- A form is of somebody who is not erased: one that waits for an erasure is not inserted, and an erasure waits for one
-- that came before it.
create function form_patient_hold() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    erased boolean;
begin
    -- No condition that another index serves: while statistics are old, that one seems as short a way.
    select p.erased_at is not null into erased from patients p where p.id = new.patient_id for share;
    -- The foreign key refuses a patient that is not there at all.
    if erased then
        return null;
    end if;
    return new;
end $$;
revoke execute on function form_patient_hold() from public;
create trigger forms_patient_hold before insert on forms for each row execute function form_patient_hold();

-- The version of a template that new forms ask, null before the first, and its name. Patients, who read no templates,
-- make forms of them.
create function form_template_latest(template bigint)
returns table (version integer, name text, archived boolean)
language sql stable security definer set search_path = pg_catalog, public
begin atomic
    select t.published_version, t.name, t.archived_at is not null
    from form_templates t
    where t.organization_id = context_organization() and t.id = template;
end;
revoke execute on function form_template_latest(bigint) from public;
grant execute on function form_template_latest(bigint) to restartix_app;

-- The content of a version, for the service, which shows it with a form alone.
create function form_template_content(template bigint, wanted integer)
returns table (content jsonb, content_hash bytea)
language sql stable security definer set search_path = pg_catalog, public
begin atomic
    select v.content, v.content_hash
    from form_template_versions v
    where v.organization_id = context_organization() and v.form_template_id = template and v.version = wanted;
end;
revoke execute on function form_template_content(bigint, integer) from public;
grant execute on function form_template_content(bigint, integer) to restartix_app;

-- Signatures, in their order. A statement is what its hash was made of: the form's content, the signature before, the
-- signer, role, meaning and time.
create table form_signatures (
    id bigint generated always as identity primary key,
    organization_id bigint not null,
    form_id bigint not null,
    position integer not null check (position > 0),
    statement jsonb not null,
    statement_hash bytea not null check (octet_length(statement_hash) = 32),
    signer_user_id bigint not null default context_user(),
    signed_at timestamptz not null,
    constraint form_signatures_position_key unique (organization_id, form_id, position),
    constraint form_signatures_form_fkey foreign key (organization_id, form_id) references forms (organization_id, id)
);
create trigger form_signatures_frozen before update or delete on form_signatures
    for each row execute function form_refuse();
create trigger form_signatures_no_truncate before truncate on form_signatures
    for each statement execute function form_refuse();

-- Signatures follow each other: each is of a form with a frozen content, in the next place, and its statement names
-- this content, the signature before, the signer and the time. Nothing follows the one that made the form signed. Looks
-- at the end of the statement, which changes the form as well. The foreign key compares the organization of the form.
create function form_signature_check() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    if not exists (
        select from forms f
        left join form_signatures p on p.organization_id = f.organization_id and p.form_id = f.id
                                       and p.position = new.position - 1
        where f.id = new.form_id
          and f.status in ('partly_signed', 'signed')
          and (new.position = 1 or p.id is not null)
          and (f.signed_at is null or f.signed_at = new.signed_at and p.signed_at is distinct from f.signed_at)
          and new.statement @> jsonb_build_object('form_uid', f.uid, 'position', new.position,
                                                  'content_hash', encode(f.content_hash, 'hex'),
                                                  'signer_user_id', new.signer_user_id)
          and new.statement ->> 'previous_hash' is not distinct from encode(p.statement_hash, 'hex')
          and (new.statement ->> 'signed_at')::timestamptz = new.signed_at) then
        raise exception 'signatures follow each other' using errcode = 'restrict_violation';
    end if;
    return null;
end $$;
create trigger form_signatures_follow after insert on form_signatures
    for each row execute function form_signature_check();

-- A form is signed by its signatures alone, and wholly by the last one.
create function form_signed_check() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    if not exists (select from form_signatures s
                   where s.organization_id = new.organization_id and s.form_id = new.id
                     and s.signed_at = coalesce(new.signed_at, s.signed_at)) then
        raise exception 'forms are signed by their signatures' using errcode = 'restrict_violation';
    end if;
    return null;
end $$;
create trigger forms_signed after update of status on forms
    for each row when (new.status in ('partly_signed', 'signed')) execute function form_signed_check();

-- A form that doesn't count any more, signed or not. It is a row beside the form, which stays as it is.
create table form_voids (
    organization_id bigint not null,
    form_id bigint not null,
    uid uuid not null,
    data_key_id uuid not null,
    reason_encrypted bytea not null,
    voided_by_user_id bigint default context_user(),
    voided_at timestamptz not null default now(),
    primary key (organization_id, form_id),
    constraint form_voids_form_fkey foreign key (organization_id, form_id) references forms (organization_id, id)
        on delete cascade,
    constraint form_voids_data_key_fkey foreign key (organization_id, data_key_id)
        references data_keys (organization_id, id)
);

-- Each change of a form: who made it, when, and of which fields, at most 1,000. Fields of groups are
-- `group/entry/field`.
create table form_changes (
    id bigint generated always as identity primary key,
    organization_id bigint not null,
    form_id bigint not null,
    form_version bigint not null,
    patient_id bigint not null,
    kind text not null check (kind in ('created', 'saved', 'submitted', 'reopened', 'migrated', 'signed', 'voided')),
    fields text[] not null default '{}',
    form_template_version integer not null,
    user_id bigint default context_user(),
    changed_at timestamptz not null default now(),
    constraint form_changes_form_fkey foreign key (organization_id, form_id) references forms (organization_id, id)
        on delete cascade
);
create index form_changes_form_idx on form_changes (organization_id, form_id, id);
create index form_changes_patient_idx on form_changes (organization_id, patient_id);

-- Answers and scores of submitted forms that are no protected health information, for segments: typed, in the clear,
-- and without names. They repeat what the form holds, and go with the patient.
create table form_answers (
    id bigint generated always as identity primary key,
    organization_id bigint not null,
    form_id bigint not null,
    patient_id bigint not null,
    form_template_id bigint not null,
    -- key of the field or score; of the group, if it is in one, and the entry
    key text not null,
    group_key text,
    entry uuid,
    is_score boolean not null,
    custom_field_id bigint,
    text_value text,
    number_value numeric(28, 10),
    boolean_value boolean,
    date_value date,
    time_value time,
    datetime_value timestamptz,
    choices_value text[],
    -- key of a score's band
    band text,
    constraint form_answers_one_check check (
        num_nonnulls(text_value, number_value, boolean_value, date_value, time_value, datetime_value,
                     choices_value) = 1),
    constraint form_answers_group_check check ((group_key is null) = (entry is null)),
    constraint form_answers_form_fkey foreign key (organization_id, form_id) references forms (organization_id, id)
        on delete cascade,
    constraint form_answers_patient_fkey foreign key (organization_id, patient_id)
        references patients (organization_id, id)
);
create unique index form_answers_place_key on form_answers (organization_id, form_id, key, group_key, entry)
    nulls not distinct;
create index form_answers_patient_idx on form_answers (organization_id, patient_id);

-- The appointment that a form belongs to. It is a row beside the form, which stays as it is when the appointment goes.
create table appointment_forms (
    organization_id bigint not null,
    form_id bigint not null,
    appointment_id bigint not null,
    form_template_id bigint not null,
    -- false while the form is void or amended by one that counts: then the template may be attached again
    active boolean not null default true,
    primary key (organization_id, form_id),
    constraint appointment_forms_form_fkey foreign key (organization_id, form_id) references forms (organization_id, id)
        on delete cascade,
    constraint appointment_forms_appointment_fkey foreign key (organization_id, appointment_id)
        references appointments (organization_id, id) on delete cascade
);
create unique index appointment_forms_once on appointment_forms (organization_id, appointment_id, form_template_id)
    where active;
create index appointment_forms_appointment_idx on appointment_forms (appointment_id, organization_id);

-- Returns `true` for a form that the caller reaches.
create function form_reached(form bigint) returns boolean
language plpgsql stable set search_path = pg_catalog, public as $$
begin
    return exists (select from forms f where f.id = form);
end $$;
revoke execute on function form_reached(bigint) from public;
grant execute on function form_reached(bigint) to restartix_app;

do $$
declare
    part text;
    grants text;
begin
    foreach part in array
        array['form_signatures', 'form_voids', 'form_changes', 'form_answers', 'appointment_forms']
    loop
        grants := case part
            when 'form_signatures' then
                'select, insert (organization_id, form_id, position, statement, statement_hash, signed_at)'
            when 'form_voids' then 'select, insert (organization_id, form_id, uid, data_key_id, reason_encrypted)'
            when 'form_changes' then
                'select,
                 insert (organization_id, form_id, form_version, patient_id, kind, fields, form_template_version)'
            when 'form_answers' then
                'select,
                 insert (organization_id, form_id, patient_id, form_template_id, key, group_key, entry, is_score,
                         custom_field_id, text_value, number_value, boolean_value, date_value, time_value,
                         datetime_value, choices_value, band),
                 delete'
            else
                'select, insert (organization_id, form_id, appointment_id, form_template_id), update (active)'
            end;
        perform tenant_table(
            part::regclass, grants,
            reads => '(select context_role() in (''admin'', ''staff'', ''api_key'')) or form_reached(form_id)',
            writes => '(select context_role() in (''admin'', ''staff'', ''api_key'')) or form_reached(form_id)');
    end loop;
end $$;
-- Signatures are their signer's own, and nobody signs for a patient as whom it acts.
create policy form_signatures_insert_own on form_signatures as restrictive for insert to restartix_app
    with check (signer_user_id = (select context_user()) and (select context_impersonator()) is null
                and (select context_role() in ('specialist', 'patient')));
-- Front desk, API keys and patients make no form void.
create policy form_voids_insert_role on form_voids as restrictive for insert to restartix_app
    with check ((select context_role() in ('admin', 'specialist')));
-- Answers of signed forms for segments go only with the patient.
create policy form_answers_delete_open on form_answers as restrictive for delete to restartix_app
    using (exists (select from forms f
                   where f.organization_id = (select context_organization()) and f.id = form_answers.form_id
                     and f.status in ('draft', 'submitted')));

-- Forms that a kind of appointment asks for, in their order.
create table appointment_template_forms (
    organization_id bigint not null references organizations (id),
    appointment_template_id bigint not null,
    form_template_id bigint not null,
    position integer not null check (position > 0),
    primary key (organization_id, appointment_template_id, form_template_id),
    constraint appointment_template_forms_appointment_fkey foreign key (organization_id, appointment_template_id)
        references appointment_templates (organization_id, id) on delete cascade,
    constraint appointment_template_forms_form_fkey foreign key (organization_id, form_template_id)
        references form_templates (organization_id, id)
);
create index appointment_template_forms_form_idx on appointment_template_forms (organization_id, form_template_id);
select tenant_table('appointment_template_forms', 'select, insert, update (position), delete');

-- An appointment that is given to another patient leaves the forms of the patient before, which aren't due with it any
-- more; one that moves takes along when they are due. Forms that were signed stay as they are.
create function appointment_forms_follow() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    leaving bigint[];
    moving bigint[];
begin
    -- The statements compare nothing but ids, which one index serves each: while statistics are old, another one seems
    -- as short a way.
    if new.patient_id <> old.patient_id then
        -- Locks a form before its link, as amending and making void do, and an amendment before what it amends.
        leaving := array(
            select f.id
            from appointment_forms l
            join forms f on f.id = l.form_id
            where l.appointment_id = new.id
              and new.patient_id <> coalesce((select m.owner_id from patient_merges m
                                              where m.organization_id = f.organization_id
                                                and m.patient_id = f.patient_id),
                                             f.patient_id)
            order by f.id desc
            for no key update of f);
        -- Sees an amendment for which the lock has waited.
        leaving := leaving || array(
            select a.id from forms a where a.amends_id = any (leaving));
        update forms f set due_at = null, due_with_appointment = false, overdue_at = null, updated_at = now()
        where f.id = any (leaving) and f.due_with_appointment and f.status in ('draft', 'submitted');
        delete from appointment_forms l
        where l.appointment_id = new.id and l.form_id = any (leaving);
    end if;
    if new.started_at <> old.started_at then
        -- A form that was overdue and still is leaves no second event, and one that was attached later none at all.
        moving := array(select l.form_id from appointment_forms l where l.appointment_id = new.id);
        update forms f
        set due_at = case when new.started_at > now() or f.due_at is not null then new.started_at end,
            overdue_at = case when new.started_at <= now() then f.overdue_at end, updated_at = now()
        where f.id = any (moving) and f.due_with_appointment and f.status in ('draft', 'submitted');
    end if;
    return null;
end $$;
revoke execute on function appointment_forms_follow() from public;
create trigger appointments_forms_follow after update of patient_id, started_at on appointments
    for each row when (old.patient_id <> new.patient_id or old.started_at <> new.started_at)
    execute function appointment_forms_follow();

-- Once an amendment is void or deleted, the form that it amended counts again, and has its place at the appointment
-- back unless another form has taken it. If that one is void as well, the place goes to the one that it amended.
create function appointment_forms_return() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    organization bigint;
    amended bigint;
    earlier bigint;
begin
    -- Forms are found by nothing but ids, as in appointment_forms_follow().
    if tg_op = 'DELETE' then
        organization := old.organization_id;
        amended := old.amends_id;
    else
        select f.organization_id, f.amends_id into organization, amended from forms f where f.id = new.form_id;
    end if;
    loop
        if amended is null then
            return null;
        end if;
        -- Waits for those who make it void or amend it again, and sees in the next statement that they did. Locks an
        -- amendment before what it amends, as others do.
        select f.amends_id into earlier from forms f where f.id = amended for no key update;
        exit when not exists (select from form_voids v where v.organization_id = organization and v.form_id = amended);
        amended := earlier;
    end loop;
    update appointment_forms l set active = true
    where l.organization_id = organization and l.form_id = amended and not l.active
      and not exists (select from forms a
                      where a.amends_id = amended
                        and not exists (select from form_voids v
                                        where v.organization_id = organization and v.form_id = a.id))
      and not exists (select from appointment_forms o
                      where o.organization_id = organization and o.appointment_id = l.appointment_id
                        and o.form_template_id = l.form_template_id and o.active);
    return null;
end $$;
revoke execute on function appointment_forms_return() from public;
create trigger form_voids_return after insert on form_voids
    for each row execute function appointment_forms_return();
-- Fires after the deletion of the form's link, by name.
create trigger forms_return after delete on forms
    for each row when (old.amends_id is not null) execute function appointment_forms_return();
