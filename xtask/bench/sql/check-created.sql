-- As the owner: of the organizations 3 and 4, how many appointments and how many audit rows; and what still waits in the
-- outbox.
select (select count(*) from appointments where organization_id = 3), (select count(*) from audit_log where organization_id = 3),
       (select count(*) from appointments where organization_id = 4), (select count(*) from audit_log where organization_id = 4),
       (select count(*) from audit_outbox);
