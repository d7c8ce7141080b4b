-- Events of the identity provider that were dated in the future, or before there was a provider: no later event of the
-- user counted against them. Without a date the next event counts.
update users set clerk_event_at = null, clerk_event_id = null
where clerk_event_at not between timestamptz 'epoch' and now() + interval '5 minutes';

-- Sessions that ended at such a date were kept for as long.
update revoked_sessions set revoked_at = now(), expires_at = now() + interval '24 hours'
where revoked_at not between timestamptz 'epoch' and now() + interval '5 minutes';
