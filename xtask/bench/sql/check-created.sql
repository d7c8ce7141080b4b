-- Run as the owner: counts appointments and audit rows of the organizations 3 and 4, and the rows in the outbox.
select (select count(*) from appointments where organization_id = 3), (select count(*) from audit_log where organization_id = 3),
       (select count(*) from appointments where organization_id = 4), (select count(*) from audit_log where organization_id = 4),
       (select count(*) from audit_outbox);
