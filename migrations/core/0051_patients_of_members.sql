-- The records of a member: unlinked when its membership changes or ends, by capacity_end and by the foreign key. Both look at
-- deleted records, too, which patients_user_key leaves out, so they read every patient of the organization. Few patients are
-- members, so that the index has few entries.
create index patients_member_idx on patients (organization_id, user_id) where user_id is not null;
