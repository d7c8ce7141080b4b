-- Each organization has a data key, too, for what people write in it and no patient's record holds. The
-- service makes and opens it with the owner's role; the application role has no business with it, however
-- its other policies on the table read.
alter table data_keys add column of_organization boolean not null default false;
create unique index data_keys_organization_key on data_keys (organization_id) where of_organization;
create policy data_keys_of_patients on data_keys as restrictive to restartix_app
    using (not of_organization) with check (not of_organization);

-- Why somebody acted as a patient is said in words of their own, which speak of the patient: sealed under
-- the organization's key from now on. What stands in the clear is sealed by a housekeeping job; the column
-- goes once every installation has run it.
alter table impersonations
    alter column reason drop not null,
    -- what the ciphertext is bound to
    add column uid uuid not null default gen_random_uuid(),
    add column reason_encrypted bytea,
    add constraint impersonations_reason_given_check check (reason is not null or reason_encrypted is not null);
grant insert (uid, reason_encrypted) on impersonations to restartix_app;
