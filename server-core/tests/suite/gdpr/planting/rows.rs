//! Rows with values that no operation stores.

use test_support::{CoreApp, in_days};
use uuid::Uuid;

use super::table::{CLINIC, ELSEWHERE, PATIENT, SEGMENT, SPECIALIST, SPECIALTY, TEMPLATE, TREATING, USER};

/// Returns statements for values that no operation stores, or not as unique ones.
pub(super) fn rows(app: &CoreApp) -> Vec<String> {
    [people(app), invitations(app), appointments(app), doings(app)].concat()
}

fn people(app: &CoreApp) -> Vec<String> {
    let home = app.home().id;
    vec![
        format!(
            "insert into organizations (id, name, slug, timezone) overriding system value
             values ({CLINIC}, 'Third', 'third', 'Europe/Berlin')"
        ),
        format!(
            "update users set created_at = '1971-01-01 00:00:01.700101+00', current_organization_id = {CLINIC},
                              name_folded = 'planted-user-folded', name_sort = 'planted-user-sort', name_keys_version = 1
             where id = {USER}"
        ),
        format!("update memberships set created_at = '1971-01-01 00:00:01.700102+00' where user_id = {USER}"),
        format!(
            "update patients set created_at = '1971-01-01 00:00:01.700103+00', name_folded = 'planted-patient-folded',
                                 name_sort = 'planted-patient-sort', name_keys_version = 1,
                                 name_birth_index = 'planted-name-birth'
             where id = {PATIENT}"
        ),
        format!(
            "insert into consent_outbox (organization_id, patient_id, id, purpose, granted, text_version, decided_at)
             values ({home}, {PATIENT}, gen_random_uuid(), 'pose', true, 'planted-text-version',
                     '1971-01-01 00:00:01.700181+00')"
        ),
        format!("update patient_merges set merged_at = '1971-01-01 00:00:01.700191+00' where owner_id = {PATIENT}"),
        // Whenever it is evaluated, the person stays a member until it has no login any more.
        format!(
            "insert into segments (id, organization_id, name, rule, sources, due_at) overriding system value
             values ({SEGMENT}, {home}, 'Planted', '{{\"op\": \"equals\", \"attribute\": \"has_login\", \"value\": true}}',
                     '{{patients}}', '2999-01-01');
             insert into segment_members (organization_id, segment_id, patient_id, joined_at)
             values ({home}, {SEGMENT}, {PATIENT}, '1971-01-01 00:00:01.700221+00');
             insert into segment_history (organization_id, segment_id, patient_id, kind, evaluation, rule_version,
                                          happened_at)
             values ({home}, {SEGMENT}, {PATIENT}, 'joined', 1, 1, '1971-01-01 00:00:01.700222+00')"
        ),
        // A file may hold anybody of the clinic.
        format!(
            "insert into exports (id, organization_id, entity, as_file, state, request_encrypted, file_name,
                                  requested_by_user_id, created_at, finished_at, expires_at)
             values ('00700231-0000-4000-8000-000000700231', {home}, 'patients', true, 'succeeded',
                     'planted-export-request', 'planted-export.csv', {USER}, '1971-01-01 00:00:01.700231+00', now(),
                     '2999-01-01 00:00:01.700232+00')"
        ),
        // The person works here, too, and has a specialist record.
        format!(
            "insert into specialists (organization_id, user_id, name, name_folded, name_sort, name_keys_version, title,
                                      timezone, created_at)
             values ({home}, {USER}, 'planted-specialist-name', 'planted-specialist-folded', 'planted-specialist-sort', 1,
                     'planted-specialist-title', 'Europe/Berlin', '1971-01-01 00:00:01.700104+00')"
        ),
        format!(
            "insert into specialists (id, organization_id, name, title, timezone) overriding system value
             values ({TREATING}, {home}, 'Dr. Treating', '', 'Europe/Berlin')"
        ),
        format!(
            "insert into specialist_hours (organization_id, specialist_id, weekday, starts_at, ends_at)
             values ({home}, {SPECIALIST}, 1, '09:00:01.700127', '17:00:01.700128')"
        ),
        format!(
            "insert into specialist_exceptions (organization_id, specialist_id, kind, starts_at, ends_at, created_at)
             values ({home}, {SPECIALIST}, 'unavailable', '1971-01-02 00:00:01.700129', '1971-01-03 00:00:01.700131',
                     '1971-01-01 00:00:01.700132+00')"
        ),
        format!(
            "insert into calendar_feeds (organization_id, user_id, token_hash, created_at)
             values ({home}, {USER}, 'x', '1971-01-01 00:00:01.700117+00')"
        ),
        format!(
            "insert into appointment_templates (id, organization_id, name, slug, duration_minutes, modality)
             overriding system value values ({TEMPLATE}, {home}, 'Hands', 'hands', 60, 'video')"
        ),
        format!(
            "insert into specialties (id, organization_id, name) overriding system value values ({SPECIALTY}, {home}, 'Hands')"
        ),
    ]
}

fn invitations(app: &CoreApp) -> Vec<String> {
    let (home, admin) = (app.home().id, app.home().admin.user_id);
    vec![
        format!(
            "update invitations set created_at = '1971-01-01 00:00:01.700161+00' where user_id = {USER};
             update invitations set created_at = '1971-01-01 00:00:01.700162+00' where email_index is not null"
        ),
        // Invitations to its records, and by the person.
        format!(
            "insert into invitations (organization_id, uid, kind, role, user_id, patient_id, specialist_id, invited_by,
                                      created_at)
             values ({home}, gen_random_uuid(), 'patient_link', 'patient', {admin}, {PATIENT}, null, {admin},
                     '1971-01-01 00:00:01.700163+00'),
                    ({home}, gen_random_uuid(), 'specialist_link', 'specialist', {admin}, null, {SPECIALIST}, {admin},
                     '1971-01-01 00:00:01.700164+00')"
        ),
        format!(
            "insert into invitations (organization_id, uid, kind, role, user_id, invited_by, status, ended_at, created_at)
             values ({home}, gen_random_uuid(), 'membership', 'staff', {admin}, {USER}, 'declined', now(),
                     '1971-01-01 00:00:01.700165+00')"
        ),
    ]
}

fn appointments(app: &CoreApp) -> Vec<String> {
    let (home, specialist) = (app.home().id, app.home().specialist_id);
    let coming = in_days(3, 9).to_rfc3339();
    let held = in_days(5, 9).to_rfc3339();
    vec![
        format!(
            "insert into appointment_series (organization_id, patient_id, specialist_id, appointment_template_id, user_id,
                                             title, timezone, started_at, ended_at, frequency, step, weekdays, until,
                                             created_at)
             values ({home}, {PATIENT}, {TREATING}, {TEMPLATE}, {USER}, 'planted-title-series', 'Europe/Berlin',
                     '1972-01-01 09:00:01.700151+00', '1972-01-01 10:00:01.700152+00', 'weekly', 1, '{{6}}', '1974-03-07',
                     '1971-01-01 00:00:01.700153+00')"
        ),
        format!(
            "insert into calendar_departures (organization_id, appointment_uid, patient_id, specialist_id, specialty_id, modality,
                                              started_at, ended_at, sequence, appointment_created_at, departed_at)
             values ({home}, gen_random_uuid(), {PATIENT}, null, {SPECIALTY}, 'video', '1972-01-01 09:00:01.700171+00',
                     '1972-01-01 10:00:01.700172+00', 1, '1971-01-01 00:00+00', '2100-01-01 00:00:01.700173+00'),
                    ({home}, gen_random_uuid(), null, {SPECIALIST}, {SPECIALTY}, 'video', '1972-01-01 09:00:01.700174+00',
                     '1972-01-01 10:00:01.700175+00', 1, '1971-01-01 00:00+00', '2100-01-01 00:00:01.700176+00')"
        ),
        // A missed appointment, a future one and a completed one.
        format!(
            "insert into appointments (organization_id, title, status, started_at, ended_at, block, specialist_id,
                                       patient_id, appointment_template_id, appointment_series_id, specialty_id, modality,
                                       user_id, cancelled_at, cancellation_reason)
             select {home}, 'planted-title-missed', 'cancelled', '1972-01-01 09:00:01.700105+00',
                    '1972-01-01 10:00:01.700106+00', '[1972-01-01 09:00:01.700107+00,1972-01-01 10:00:00+00)', {TREATING},
                    {PATIENT}, {TEMPLATE}, id, {SPECIALTY}, 'video', {USER}, '1972-01-01 08:00:01.700108+00',
                    'patient_request'
             from appointment_series where title = 'planted-title-series'"
        ),
        format!(
            "insert into appointments (organization_id, title, status, started_at, ended_at, block, specialist_id,
                                       patient_id, user_id)
             select {home}, title, status, moment, moment + interval '1 hour', tstzrange(moment, moment + interval '1 hour'),
                    {specialist}, {PATIENT}, {USER}
             from (values ('planted-title-coming', 'scheduled', '{coming}'::timestamptz),
                          ('planted-title-held', 'completed', '{held}'::timestamptz)) a (title, status, moment)"
        ),
        format!(
            "insert into waitlist_entries (organization_id, patient_id, specialist_id, template_id, requested_from,
                                           requested_to, appointment_id, created_at)
             select {home}, {PATIENT}, {TREATING}, {TEMPLATE}, '1972-01-01 09:00:01.700141+00',
                    '1972-01-01 10:00:01.700142+00', id, '1971-01-01 00:00:01.700143+00'
             from appointments where title = 'planted-title-coming'"
        ),
        format!(
            "insert into video_rooms (organization_id, appointment_id, patient_id, specialist_id, name, url, opens_at,
                                      closes_at)
             select {home}, id, {PATIENT}, {specialist}, 'planted-room-name', 'https://planted-room.example.org/',
                    '1972-01-01 08:45:01.700118+00', '1972-01-01 10:15:01.700119+00'
             from appointments where title = 'planted-title-coming'"
        ),
        format!(
            "insert into appointment_reschedules (organization_id, appointment_id, patient_id, from_specialist_id,
                                                  from_started_at, from_ended_at, to_specialist_id, to_started_at,
                                                  to_ended_at, user_id, created_at)
             select {home}, id, {PATIENT}, {TREATING}, '1972-01-02 09:00:01.700121+00', '1972-01-02 10:00:01.700122+00',
                    {TREATING}, '1972-01-03 09:00:01.700123+00', '1972-01-03 10:00:01.700124+00', {USER},
                    '1971-01-01 00:00:01.700125+00'
             from appointments where title = 'planted-title-held'"
        ),
    ]
}

fn doings(app: &CoreApp) -> Vec<String> {
    let (home, away) = (app.home(), app.away().id);
    let (home, admin, specialist) = (home.id, home.admin.user_id, home.specialist_id);
    vec![
        // An impersonation of the person, and one by it as an administrator.
        format!(
            "insert into impersonations (organization_id, token_hash, impersonator_user_id, patient_id, patient_user_id,
                                         reason, created_at, expires_at)
             values ({home}, 'a', {admin}, {PATIENT}, {USER}, 'planted-reason', '1971-01-01 00:00:01.700109+00',
                     '1971-01-01 00:10:00+00')"
        ),
        format!(
            "with key as (insert into data_keys (id, organization_id, wrapped) values (gen_random_uuid(), {home}, 'x')
                          returning id),
                  other as (insert into patients (id, organization_id, uid, data_key_id, first_name, last_name)
                            overriding system value select 77, {home}, gen_random_uuid(), id, 'An', 'Other' from key
                            returning id)
             insert into impersonations (organization_id, token_hash, impersonator_user_id, patient_id, patient_user_id,
                                         reason, created_at, expires_at, session_id)
             select {home}, 'b', {USER}, id, {admin}, 'Called', '1971-01-01 00:00:01.700116+00', '1971-01-01 00:10:00+00',
                    'planted-session'
             from other"
        ),
        format!(
            "insert into appointment_series (organization_id, patient_id, specialist_id, user_id, timezone, started_at,
                                             ended_at, frequency, step, weekdays, occurrences)
             values ({home}, 77, {specialist}, {USER}, 'Europe/Berlin', '1972-01-01 09:00+00', '1972-01-01 10:00+00',
                     'daily', 1, '{{}}', 2)"
        ),
        // Appointments that the person holds for another patient, and moved.
        format!(
            "insert into appointments (organization_id, title, status, started_at, ended_at, block, specialist_id,
                                       patient_id, user_id, holder, hold_expires_at)
             values ({home}, 'Of another', 'held', '1972-02-01 09:00+00', '1972-02-01 10:00+00',
                     '[1972-02-01 09:00+00,1972-02-01 10:00+00)', {specialist}, 77, {USER}, 'planted-holder',
                     now() + interval '1 day')"
        ),
        format!(
            "insert into appointment_reschedules (organization_id, appointment_id, patient_id, from_specialist_id,
                                                  from_started_at, from_ended_at, to_specialist_id, to_started_at,
                                                  to_ended_at, user_id, created_at)
             select {home}, id, 77, {specialist}, '1972-02-02 09:00+00', '1972-02-02 10:00+00', {specialist}, started_at,
                    ended_at, {USER}, '1971-01-01 00:00:01.700126+00'
             from appointments where title = 'Of another'"
        ),
        format!(
            "insert into api_keys (organization_id, name, prefix, secret_hash, scopes, created_by, created_at)
             values ({home}, 'Lab', 'rxkey_1', 'x', '{{}}', {USER}, '1971-01-01 00:00:01.700111+00')"
        ),
        format!(
            "insert into jobs (id, organization_id, kind, created_by, created_at)
             select gen_random_uuid(), organization, 'planted_kind', {USER}, '1971-01-01 00:00:01.700112+00'
             from unnest(array[{home}, 0]) organization"
        ),
        format!(
            "insert into idempotency_keys (id, organization_id, key_hash, request_hash, status, wrapped_key, answer,
                                           user_id, impersonator_user_id)
             values (gen_random_uuid(), {home}, 'planted-key-hash', 'planted-request-hash', 201, 'planted-wrapped-key',
                     'planted-answer', {USER}, {USER})"
        ),
        // Audit rows: by the person here, by it as an impersonator, by it in no organization, and about it.
        format!(
            "with entry as (
                 insert into audit_log (id, occurred_at, organization_id, actor_kind, actor_user_id, impersonator_user_id,
                                        action, entity_type, entity_id, changed_fields, operation_id, request_id, outcome)
                 values
                     (gen_random_uuid(), '1971-01-01 00:00:01.700113+00', {home}, 'user', {USER}, null, 'planted_action_1',
                      'planted_type_1', null, '{{}}', 'planted_operation', 'planted-request', 'succeeded'),
                     (gen_random_uuid(), '1971-01-01 00:00:01.700114+00', {home}, 'user', {admin}, {USER},
                      'planted_action_2', 'planted_type_2', null, '{{}}', 'read', 'r', 'succeeded'),
                     (gen_random_uuid(), '1971-01-01 00:00:01.700115+00', {home}, 'user', {admin}, null,
                      'planted_action_3', 'user', {USER}, '{{planted_field}}', 'update', 'r', 'succeeded')
                 returning id, action)
             insert into audit_personal (audit_id, organization_id, ip, user_agent)
             select id, {home}, '203.0.113.77', null from entry where action = 'planted_action_1'"
        ),
        attempt(0, "planted-agent-of-none"),
        attempt(away, ELSEWHERE),
    ]
}

/// Refused attempt of the person, in the outbox to Telemetry.
fn attempt(organization: i64, user_agent: &str) -> String {
    let id = Uuid::now_v7();
    format!(
        "insert into audit_log (id, occurred_at, organization_id, actor_kind, actor_user_id, action, entity_type,
                                operation_id, request_id, outcome)
         values ('{id}', now(), {organization}, 'user', {USER}, 'read', 'session', 'me_get', 'r', 'denied');
         insert into audit_personal values ('{id}', {organization}, '203.0.113.78', '{user_agent}');
         insert into audit_outbox (audit_id, organization_id) values ('{id}', {organization})"
    )
}
