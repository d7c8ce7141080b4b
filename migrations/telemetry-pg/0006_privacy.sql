-- Who is not to be tracked, and the erasure of what is held on a person.

-- Nothing is stored about who is on this list, whatever it agreed to. A row a person and side: the
-- clinic can't lift what the person itself has asked for, nor the other way round.
create table privacy.exclusions (
    organization_id bigint not null check (organization_id > 0),
    -- The user's id in Core.
    subject_id bigint not null check (subject_id > 0),
    source text not null check (source in ('person', 'admin')),
    -- Null once that user was erased.
    created_by bigint,
    created_at timestamptz not null default now(),
    primary key (organization_id, subject_id, source)
);

alter table privacy.exclusions enable row level security;
alter table privacy.exclusions force row level security;

create policy exclusions_app_read on privacy.exclusions for select to restartix_telemetry_app
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and (subject_id = (select nullif(current_setting('app.current_user_id', true), '')::bigint)
            or (select current_setting('app.current_role', true)) = 'admin'));
create policy exclusions_app_add on privacy.exclusions for insert to restartix_telemetry_app
    with check (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and case source
            when 'person' then subject_id = (select nullif(current_setting('app.current_user_id', true), '')::bigint)
            else (select current_setting('app.current_role', true)) = 'admin' end);
create policy exclusions_app_lift on privacy.exclusions for delete to restartix_telemetry_app
    using (organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint)
        and case source
            when 'person' then subject_id = (select nullif(current_setting('app.current_user_id', true), '')::bigint)
            else (select current_setting('app.current_role', true)) = 'admin' end);
create policy exclusions_owner on privacy.exclusions to restartix_telemetry
    using ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint))
    with check ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));

grant select, insert, delete on privacy.exclusions to restartix_telemetry_app;

-- A row a request, which is also its job. Its id is the caller's: sent again, the request finds it.
create table privacy.erasures (
    id uuid not null primary key,
    -- 0 for every organization.
    organization_id bigint not null check (organization_id >= 0),
    subject_kind text not null check (subject_kind in ('user', 'patient')),
    -- The user's or patient's id in Core.
    subject_id bigint not null check (subject_id > 0),
    mode text not null check (mode in ('erase', 'anonymize')),
    dry_run boolean not null,
    status text not null default 'queued' check (status in ('queued', 'running', 'finished')),
    requested_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    -- When somebody may take it up: after a pause, or when the lease of who works on it has run out.
    due_at timestamptz not null default now(),
    -- Drawn anew by each claim, so that a runner whose lease has run out can't write any more.
    lease uuid,
    failures integer not null default 0,
    -- Lists of holdings with the rows found at the beginning, and with the rows really changed.
    plan jsonb not null default '[]',
    receipt jsonb not null default '[]',
    -- What went wrong on the way; the latest last.
    errors jsonb not null default '[]',
    -- The ClickHouse holding whose rows are counted in the receipt and whose mutation is under way:
    -- taken up again after a crash, they must not be counted twice.
    mutating text,
    check ((status = 'finished') = (finished_at is not null))
);
create index erasures_due on privacy.erasures (due_at) where finished_at is null;
create index erasures_subject on privacy.erasures (subject_id, organization_id) where not dry_run;

alter table privacy.erasures enable row level security;
alter table privacy.erasures force row level security;

-- A person may know of its own: while one runs, nothing more is stored about it.
create policy erasures_app on privacy.erasures for select to restartix_telemetry_app
    using (organization_id in (0, (select nullif(current_setting('app.current_org_id', true), '')::bigint))
        and subject_kind = 'user'
        and subject_id = (select nullif(current_setting('app.current_user_id', true), '')::bigint));
create policy erasures_owner on privacy.erasures to restartix_telemetry
    using ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id in (0, (select nullif(current_setting('app.current_org_id', true), '')::bigint)))
    with check ((select nullif(current_setting('app.current_org_id', true), '')::bigint) is null
        or organization_id = (select nullif(current_setting('app.current_org_id', true), '')::bigint));

grant select on privacy.erasures to restartix_telemetry_app;

-- Whether an erasure of the user is under way, in the organization or in all: what is stored about it
-- now would be lost, or survive. Who asks learns no more than that; an administrator sees no erasure.
create function privacy.erasure_running(organization bigint, subject bigint) returns boolean
language sql stable security definer set search_path = pg_catalog as $$
    select exists (
        select from privacy.erasures
        where organization_id in (0, organization) and subject_kind = 'user' and subject_id = subject
          and not dry_run and finished_at is null)
$$;
revoke all on function privacy.erasure_running(bigint, bigint) from public;
grant execute on function privacy.erasure_running(bigint, bigint) to restartix_telemetry_app;
