-- The first answer to a request with an Idempotency-Key, written in the transaction of the change it
-- answers for: there is never one without the other. Kept for a day.
create table idempotency_keys (
    id uuid primary key,
    -- 0 for superadmins in no organization; no foreign key, for the row outlives nothing
    organization_id bigint not null,
    -- keyed hash of caller, route and key
    key_hash bytea not null,
    -- keyed hash of path, query and body
    request_hash bytea not null,
    -- null only inside the transaction that writes the row
    status smallint,
    -- the answer showed a secret: what is sealed is the id of what was made, and nothing else
    secret boolean not null default false,
    -- a data key of the row's own, wrapped by the installation's: rotation rewraps it
    wrapped_key bytea,
    answer bytea,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null default now() + interval '24 hours',
    constraint idempotency_keys_key unique (organization_id, key_hash)
);
create index idempotency_keys_expiry_idx on idempotency_keys (expires_at);

alter table idempotency_keys enable row level security;
alter table idempotency_keys force row level security;
create policy idempotency_keys_owner on idempotency_keys to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
-- Whose key it is stands in its hash, which nobody can guess.
create policy idempotency_keys_app on idempotency_keys to restartix_app
    using (organization_id = (select context_organization()))
    with check (organization_id = (select context_organization()));
grant select, insert, update, delete on idempotency_keys to restartix_app;
