/** Both services through the published package, against the running stack that RESTARTIX_TEST_STACK names. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import { ApiError, createCoreClient, createTelemetryClient } from '@restartix/sdk';
import {
  appointmentCreate,
  healthGet,
  meGet,
  patientCreate,
  patientDelete,
  patientGet,
  patientList,
  patientMerge,
  patientOnboard,
  patientUpdate,
  specialistCreate,
  specialtyCreate,
} from '@restartix/sdk/core';
import { analyticsTrack, auditLogList, consentGet, consentPut } from '@restartix/sdk/telemetry';

import { newPatient, otherClinic, signedIn, skip, stack } from './stack.js';

test('a public operation needs no token', { skip }, async () => {
  const health = await healthGet({ client: createCoreClient({ baseUrl: stack.core }) });
  assert.equal(health.status, 'ok');
});

test('without a token an operation throws an ApiError', { skip }, async () => {
  const client = createCoreClient({ baseUrl: stack.core });
  await assert.rejects(meGet({ client }), (error: unknown) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.status, 401);
    assert.match(error.code, /^[a-z_]+$/);
    assert.ok(error.requestId);
    return true;
  });
});

test('a patient is created, found, changed and deleted', { skip }, async () => {
  const client = signedIn('admin');
  const body = newPatient();
  const created = await patientCreate({ client, body });
  assert.equal(created.last_name, body.last_name);
  const path = { patient_id: created.id };

  const found = await patientList({ client, query: { search: body.last_name, page_size: 5 } });
  assert.deepEqual(found.data.map((patient) => patient.id), [created.id]);
  assert.deepEqual([found.meta.page, found.meta.page_size, found.meta.total], [1, 5, 1]);

  const changed = await patientUpdate({ client, path, body: { ...body, first_name: 'Hedy', version: created.version } });
  assert.equal(changed.first_name, 'Hedy');
  await assert.rejects(patientUpdate({ client, path, body: { ...body, version: created.version } }), {
    status: 409,
    code: 'stale_version',
  });

  await patientDelete({ client, path });
  await assert.rejects(patientGet({ client, path }), { status: 404, code: 'patient_not_found' });
});

test('a patient is onboarded with an invitation, consents and hints', { skip }, async () => {
  const client = signedIn('admin');
  const patient = { ...newPatient(), date_of_birth: '1980-02-29' };
  const namesake = await patientCreate({ client, body: patient });
  const onboarded = await patientOnboard({
    client,
    body: {
      patient,
      login: { email: `${randomUUID()}@example.com` },
      consents: [{ purpose: 'media', granted: true, text_version: '2026-11' }],
    },
  });
  assert.equal(onboarded.invitation?.patient_id, onboarded.patient.id);
  assert.deepEqual(onboarded.possible_duplicates, [
    { patient_id: namesake.id, reasons: ['name_and_birth_date'] },
  ]);
});

test('a patient who was entered twice is merged', { skip }, async () => {
  const client = signedIn('admin');
  const kept = await patientCreate({ client, body: newPatient() });
  const double = await patientCreate({ client, body: newPatient() });
  const path = { patient_id: kept.id };
  const body = { merged_patient_id: double.id, version: kept.version, merged_version: double.version };
  const merge = await patientMerge({ client, path, body });
  assert.deepEqual([merge.patient_id, merge.merged_patient_id], [kept.id, double.id]);
  assert.deepEqual(await patientMerge({ client, path, body }), merge);
  await assert.rejects(patientGet({ client, path: { patient_id: double.id } }), {
    status: 404,
    code: 'patient_merged',
    details: { merged_into: kept.id },
  });
});

test('a value that breaks the specification is refused with its field', { skip }, async () => {
  const body = { ...newPatient(), first_name: 'x'.repeat(101) };
  await assert.rejects(patientCreate({ client: signedIn('admin'), body }), (error: unknown) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.status, 422);
    const { fields } = error.details as { fields: { pointer: string }[] };
    assert.deepEqual(fields.map((field) => field.pointer), ['/first_name']);
    return true;
  });
});

test('a slot is booked once', { skip }, async () => {
  const client = signedIn('admin');
  const specialty = await specialtyCreate({ client, body: { name: `Tested ${randomUUID()}` } });
  const specialist = await specialistCreate({
    client,
    body: { name: 'Dr. Test', timezone: 'Europe/Berlin', specialty_ids: [specialty.id] },
  });
  const patient = await patientCreate({ client, body: newPatient() });
  const body = {
    started_at: '2030-05-06T09:00:00Z',
    ended_at: '2030-05-06T09:45:00Z',
    specialist_id: specialist.id,
    patient_id: patient.id,
  };
  const booked = await appointmentCreate({ client, body });
  assert.equal(booked.status, 'scheduled');
  await assert.rejects(appointmentCreate({ client, body }), { status: 409, code: 'slot_taken' });
});

test('a row of another clinic does not exist', { skip }, async () => {
  const patient = await patientCreate({ client: signedIn('admin'), body: newPatient() });
  await assert.rejects(patientGet({ client: signedIn('admin', otherClinic), path: { patient_id: patient.id } }), {
    status: 404,
    code: 'patient_not_found',
  });
});

test('Telemetry is called with a token that the SDK gets from Core', { skip }, async () => {
  const core = signedIn('patient');
  const client = createTelemetryClient({ baseUrl: stack.telemetry, tokens: core });
  const consent = (analytics: boolean) =>
    consentPut({
      client,
      body: { purposes: { analytics, media: false, pose: false }, text_version: '1', source: 'settings' },
    });
  const track = () =>
    analyticsTrack({
      client,
      body: { events: [{ event_id: randomUUID(), name: 'sdk_tested', occurred_at: new Date().toISOString() }] },
    });

  await consent(false);
  assert.equal((await track()).stored, 0);
  await consent(true);
  assert.equal((await consentGet({ client })).analytics.granted, true);
  assert.deepEqual(await track(), { stored: 1, dropped: [], faults: [] });
});

test('what an admin does in Core shows in the audit trail', { skip }, async () => {
  const core = signedIn('admin');
  const telemetry = createTelemetryClient({ baseUrl: stack.telemetry, tokens: core });
  const { id } = await specialtyCreate({ client: core, body: { name: `Audited ${randomUUID()}` } });
  const query = { entity_type: 'specialty', entity_id: String(id) };
  const deadline = Date.now() + 15_000;
  for (;;) {
    const { data } = await auditLogList({ client: telemetry, query });
    if (data.length > 0) {
      assert.deepEqual(data.map((entry) => [entry.action, entry.outcome]), [['created', 'succeeded']]);
      return;
    }
    assert.ok(Date.now() < deadline, `no audit entry of specialty ${id} within 15 seconds`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});
