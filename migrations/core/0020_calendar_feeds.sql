-- A secret link by which a calendar program reads the appointments of a member, one a member.
create table calendar_feeds (
    id bigint generated always as identity primary key,
    organization_id bigint not null,
    user_id bigint not null,
    token_hash bytea not null,
    revoked_at timestamptz,
    created_at timestamptz not null default now(),
    constraint calendar_feeds_member_key unique (organization_id, user_id),
    -- goes with the membership, so that no old link lives on when somebody becomes a member again
    constraint calendar_feeds_member_fkey foreign key (organization_id, user_id)
        references memberships (organization_id, user_id) on delete cascade
);
-- A link is looked up before its organization is known. Not unique: 256 random bits are.
create index calendar_feeds_token_idx on calendar_feeds (token_hash);

alter table calendar_feeds enable row level security;
alter table calendar_feeds force row level security;
create policy calendar_feeds_owner on calendar_feeds to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy calendar_feeds_own on calendar_feeds to restartix_app
    using (organization_id = (select context_organization()) and user_id = (select context_user()))
    with check (organization_id = (select context_organization()) and user_id = (select context_user()));
grant select, insert, update on calendar_feeds to restartix_app;
