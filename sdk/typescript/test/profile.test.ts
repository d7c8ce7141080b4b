/** Custom fields and profiles, against the running stack that RESTARTIX_TEST_STACK names. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import { ApiError } from '@restartix/sdk';
import {
  customFieldCreate,
  patientCreate,
  patientProfileGet,
  patientProfileUpdate,
  type CreateCustomField,
} from '@restartix/sdk/core';

import { newPatient, signedIn, skip } from './stack.js';

const newField = (): CreateCustomField => ({
  entity: 'patient',
  key: `tested_${randomUUID().replaceAll('-', '')}`,
  definition: {
    field_type: 'single_choice',
    label: 'Dominant hand',
    options: [
      { key: 'left', label: 'Left' },
      { key: 'right', label: 'Right' },
    ],
    phi: true,
  },
  readable_by: ['specialist', 'staff'],
  writable_by: ['staff'],
});

test('a key names one custom field', { skip }, async () => {
  const client = signedIn('admin');
  const body = newField();
  const created = await customFieldCreate({ client, body });
  assert.deepEqual([created.key, created.version, created.definition.phi], [body.key, 1, true]);
  assert.deepEqual([created.readable_by, created.writable_by], [['admin', 'specialist', 'staff'], ['admin', 'staff']]);
  await assert.rejects(customFieldCreate({ client, body }), { status: 409, code: 'custom_field_key_taken' });
});

test('a profile is written and read', { skip }, async () => {
  const { key } = await customFieldCreate({ client: signedIn('admin'), body: newField() });
  const client = signedIn('staff');
  const { id } = await patientCreate({ client, body: newPatient() });
  const path = { patient_id: id };
  const update = (version: number, value: unknown) =>
    patientProfileUpdate({ client, path, body: { version, values: { [key]: value } } });

  const empty = await patientProfileGet({ client, path });
  assert.deepEqual([empty.version, empty.values], [0, {}]);
  assert.equal(empty.fields.find((field) => field.key === key)?.writable, true);

  const written = await update(0, 'right');
  assert.deepEqual([written.version, written.values[key]?.value], [1, 'right']);
  assert.deepEqual(await patientProfileGet({ client, path }), written);

  // Another value from the version before is a conflict, which names its field.
  await assert.rejects(update(0, 'left'), { status: 409, code: 'stale_version', details: { version: 1, keys: [key] } });
  await assert.rejects(update(1, 'both'), (error: unknown) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.status, 422);
    const { fields } = error.details as { fields: { pointer: string; rule: string }[] };
    assert.deepEqual(fields.map(({ pointer, rule }) => [pointer, rule]), [[`/values/${key}`, 'option']]);
    return true;
  });
  assert.deepEqual((await update(1, null)).values, {});
});
