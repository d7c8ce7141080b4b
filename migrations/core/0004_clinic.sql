create table specialties (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    name text not null check (length(name) between 1 and 200),
    description text not null default '',
    -- a specialty in use is archived, not deleted: past appointments keep naming it
    archived_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- what other tables refer to: foreign keys bypass row-level security, so each carries the tenant
    constraint specialties_tenant_key unique (organization_id, id)
);
create unique index specialties_name_key on specialties (organization_id, lower(name)) where archived_at is null;

create table specialists (
    id bigint generated always as identity primary key,
    organization_id bigint not null references organizations (id),
    -- the login, for those who have one
    user_id bigint,
    name text not null check (length(name) between 1 and 200),
    title text not null default '',
    timezone text not null,
    bookable boolean not null default true,
    deleted_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint specialists_tenant_key unique (organization_id, id),
    constraint specialists_user_fkey foreign key (organization_id, user_id) references memberships (organization_id, user_id)
        on delete set null (user_id)
);
create unique index specialists_user_key on specialists (organization_id, user_id) where deleted_at is null;
create index specialists_list_idx on specialists (organization_id, lower(name), id) where deleted_at is null;

create table specialist_specialties (
    organization_id bigint not null,
    specialist_id bigint not null,
    specialty_id bigint not null,
    primary key (organization_id, specialist_id, specialty_id),
    constraint specialist_specialties_specialist_fkey foreign key (organization_id, specialist_id)
        references specialists (organization_id, id),
    constraint specialist_specialties_specialty_fkey foreign key (organization_id, specialty_id)
        references specialties (organization_id, id)
);
create index specialist_specialties_specialty_idx on specialist_specialties (organization_id, specialty_id);

alter table specialties enable row level security;
alter table specialties force row level security;
create policy specialties_owner on specialties to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy specialties_read on specialties for select to restartix_app
    using (organization_id = (select context_organization()));
create policy specialties_write on specialties to restartix_app
    using (organization_id = (select context_organization()) and (select context_role()) = 'admin')
    with check (organization_id = (select context_organization()) and (select context_role()) = 'admin');
grant select, insert, update, delete on specialties to restartix_app;

alter table specialists enable row level security;
alter table specialists force row level security;
create policy specialists_owner on specialists to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy specialists_read on specialists for select to restartix_app
    using (organization_id = (select context_organization()));
create policy specialists_write on specialists to restartix_app
    using (organization_id = (select context_organization())
           and ((select context_role()) = 'admin' or id = (select context_specialist())))
    with check (organization_id = (select context_organization())
           and ((select context_role()) = 'admin' or id = (select context_specialist())));
grant select, insert, update on specialists to restartix_app;

alter table specialist_specialties enable row level security;
alter table specialist_specialties force row level security;
create policy specialist_specialties_owner on specialist_specialties to restartix
    using ((select context_organization()) is null or organization_id = (select context_organization()))
    with check ((select context_organization()) is null or organization_id = (select context_organization()));
create policy specialist_specialties_read on specialist_specialties for select to restartix_app
    using (organization_id = (select context_organization()));
create policy specialist_specialties_write on specialist_specialties to restartix_app
    using (organization_id = (select context_organization())
           and ((select context_role()) = 'admin' or specialist_id = (select context_specialist())))
    with check (organization_id = (select context_organization())
           and ((select context_role()) = 'admin' or specialist_id = (select context_specialist())));
grant select, insert, delete on specialist_specialties to restartix_app;

create trigger specialists_notify after insert or delete or update of user_id, deleted_at on specialists
    for each row execute function identity_notify();
