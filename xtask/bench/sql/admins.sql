-- Run as the superuser in a database of its own: people of the front desk become administrators of their clinics, as
-- administrators alone export and write segments.
update memberships set role = 'admin';
