-- Exports of tables as CSV (decision 58): what was asked for and what came of it, and the files of those that are made as
-- jobs.
set local lock_timeout = '5s';

create table exports (
    -- UUIDv7, made by the service; of a file also the id of its job, and a part of its key in S3
    id uuid primary key,
    organization_id bigint not null references organizations (id),
    entity text not null check (entity in ('patients', 'appointments', 'forms', 'segment_members', 'audit')),
    -- a file in S3, or else an answer that was sent while it was read
    as_file boolean not null,
    state text not null check (state in ('queued', 'running', 'succeeded', 'failed', 'expired')),
    -- of a file that is not made yet: filters, which may name a person, and columns, sealed under the organization's key
    request_encrypted bytea,
    file_name text check (length(file_name) between 1 and 200),
    -- an upload under way, whose parts stay in S3 until it is completed or given up
    upload_id text,
    -- counted in the snapshot that the rows come from
    rows_planned bigint check (rows_planned >= 0),
    -- that have left, or are in the file
    rows_sent bigint not null default 0 check (rows_sent >= 0),
    bytes bigint check (bytes >= 0),
    error_code text check (error_code ~ '^[a-z][a-z0-9_]{0,63}$'),
    requested_by_user_id bigint default context_user(),
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    -- of a file: until when it is kept
    expires_at timestamptz,
    file_deleted_at timestamptz,
    constraint exports_finished_check check (
        (finished_at is not null) = (state in ('succeeded', 'failed', 'expired'))),
    constraint exports_failed_check check ((error_code is not null) = (state = 'failed')),
    constraint exports_file_check check (
        (file_name is not null) = as_file
        and (as_file or state <> 'queued' and request_encrypted is null and upload_id is null))
);
-- What the sweep looks for: those that are under way, and files that are still in S3; both are few at any time.
create index exports_open_idx on exports (created_at) where state in ('queued', 'running');
create index exports_files_idx on exports (finished_at)
    where as_file and finished_at is not null and file_deleted_at is null;
create index exports_finished_idx on exports (finished_at) where finished_at is not null;
-- An erasure ends those of a clinic.
create index exports_organization_idx on exports (organization_id, id);

-- Administrators begin exports and see those of their clinic; the service alone says what came of them.
select tenant_table('exports',
    'select, insert (id, organization_id, entity, as_file, state, request_encrypted, file_name, rows_planned, started_at)',
    reads => '(select context_role()) = ''admin''');

insert into job_kinds (kind, roles) values ('csv_export', '{admin}');
