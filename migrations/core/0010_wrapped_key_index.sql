-- Bytes 2 to 5 of a wrapped key are the id of the master key that wrapped it. Rotation asks again and
-- again what is left under an old one, and once it is done the answer is nothing, found at once.
create index data_keys_master_key_idx on data_keys (substring(wrapped from 2 for 4));
create index users_master_key_idx on users (substring(data_key_wrapped from 2 for 4));
create index idempotency_keys_master_key_idx on idempotency_keys (substring(wrapped_key from 2 for 4));
