-- What a caller calls its request stands with what erasure removes; `request_id` is made by the services.
alter table audit.audit_personal add column client_request_id uuid;
create index audit_personal_client_request on audit.audit_personal (organization_id, client_request_id)
    where client_request_id is not null;

-- Hashed with the event like the address and the agent: salted, so that it tells nothing once they are gone.
alter table audit.audit_chain add column client_request_id_digest bytea
    constraint audit_chain_client_request_id_digest_check check (octet_length(client_request_id_digest) = 32);
