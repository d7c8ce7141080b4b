-- Work that outlives its request. A row is written in the transaction of the change that wants the
-- work done, so there is no change without its work and no work without its change. Any number of
-- processes claim rows; one that died with a row in hand loses it when the lease ends.
create table jobs (
    id uuid primary key,
    -- 0 for what belongs to no organization, as in audit_log
    organization_id bigint not null,
    kind text not null,
    -- what the work is about: ids and choices, never a personal value
    payload jsonb not null default '{}',
    -- of jobs with the same key one at a time may be open
    key text,
    state text not null default 'queued' check (state in ('queued', 'running', 'succeeded', 'failed')),
    -- since the last success, the one under way included
    attempts integer not null default 0,
    run_at timestamptz not null default now(),
    -- who has it in hand, and until when: what a former holder still writes finds another lease here
    lease uuid,
    leased_until timestamptz,
    -- a code, for messages may hold anything
    last_error text,
    -- how far it is and what it has done; the same rule as for payload
    progress jsonb not null default '{}',
    -- the user who asked for it
    created_by bigint,
    -- how long the row stays once it has ended
    keep_days integer not null default 30,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    constraint jobs_lease_check check ((state = 'running') = (lease is not null and leased_until is not null)),
    constraint jobs_finished_check check ((state in ('succeeded', 'failed')) = (finished_at is not null))
);
create unique index jobs_open_key on jobs (organization_id, kind, key) where state in ('queued', 'running');
create index jobs_key_idx on jobs (organization_id, kind, key, created_at) where key is not null;
create index jobs_due_idx on jobs (coalesce(leased_until, run_at), id) where state in ('queued', 'running');
create index jobs_finished_idx on jobs (finished_at) where finished_at is not null;

alter table jobs enable row level security;
alter table jobs force row level security;
create policy jobs_owner on jobs to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy jobs_enqueue on jobs for insert to restartix_app
    with check (organization_id = (select context_organization()));
create policy jobs_read on jobs for select to restartix_app
    using (organization_id = (select context_organization()) and (select context_role()) = 'admin');
grant insert, select on jobs to restartix_app;
