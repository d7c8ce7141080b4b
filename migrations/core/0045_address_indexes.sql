-- Versions of the forms that the blind indexes of addresses of users and invitations are made of, as patients have them.
-- Expands only: processes of the version before write indexes without them, and the refresh of values makes those again
-- (decision 42). A row without an index needs no version.
alter table users add column indexes_version integer;
alter table invitations add column indexes_version integer;
-- Users are written by the owner alone.
grant insert (indexes_version), update (indexes_version) on invitations to restartix_app;

-- What the refresh looks for.
create index users_indexes_idx on users (indexes_version) where email_index is not null;
create index invitations_indexes_idx on invitations (indexes_version) where email_index is not null;

-- The trigger's function reads nothing of a patient.
alter function patient_indexes_written() rename to indexes_written;
create trigger users_indexes_1_written before update of email_index on users
    for each row execute function indexes_written('-1');
create trigger users_indexes_2_stated before update of indexes_version on users
    for each row execute function indexes_written('1');
create trigger invitations_indexes_1_written before update of email_index on invitations
    for each row execute function indexes_written('-1');
create trigger invitations_indexes_2_stated before update of indexes_version on invitations
    for each row execute function indexes_written('1');
