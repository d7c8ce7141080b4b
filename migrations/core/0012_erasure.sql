-- Erased people: rows that others refer to stay as shells. The database itself keeps a shell empty,
-- whoever writes to it: an erasure that is half undone by a late request would be none.
alter table data_keys
    add column destroyed_at timestamptz,
    add constraint data_keys_destroyed_check check ((destroyed_at is not null) = (wrapped = ''));

alter table patients
    add column erased_at timestamptz,
    add constraint patients_erased_check check (
        erased_at is null
        or (deleted_at is not null and user_id is null
            and num_nonnulls(email_encrypted, phone_encrypted, date_of_birth_encrypted, national_id_encrypted,
                             address_encrypted, emergency_contact_encrypted, clinical_notes_encrypted, email_index,
                             phone_index, national_id_index) = 0));

alter table specialists
    add column erased_at timestamptz,
    add constraint specialists_erased_check check (erased_at is null or (deleted_at is not null and user_id is null));
