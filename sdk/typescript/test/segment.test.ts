/** Segments and exports, against the running stack that RESTARTIX_TEST_STACK names. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import {
  csvExport,
  customFieldCreate,
  patientCreate,
  patientProfileUpdate,
  segmentCreate,
  segmentEvaluate,
  segmentExplain,
  segmentMemberList,
  type SegmentRule,
} from '@restartix/sdk/core';

import { newPatient, signedIn, skip } from './stack.js';

test('a segment finds the patients of its rule, and its members are exported', { skip }, async () => {
  const client = signedIn('admin');
  const key = `tested_${randomUUID().replaceAll('-', '')}`;
  const definition = { field_type: 'integer', label: 'Sessions', phi: false } as const;
  const readers = { readable_by: [], writable_by: [] };
  const { id } = await customFieldCreate({ client, body: { entity: 'patient', key, definition, ...readers } });
  const [few, many, none] = await Promise.all([0, 1, 2].map(() => patientCreate({ client, body: newPatient() })));
  assert.ok(few && many && none);
  for (const [{ id: patient_id }, value] of [[few, 2], [many, 9]] as const) {
    await patientProfileUpdate({ client, path: { patient_id }, body: { version: 0, values: { [key]: value } } });
  }

  const rule: SegmentRule = { op: 'greater', custom_field: { custom_field_id: id }, value: 5 };
  const name = `Tested ${randomUUID()}`;
  const wrong = segmentCreate({ client, body: { name, rule: { ...rule, value: 'many' } } });
  await assert.rejects(wrong, { status: 422, code: 'validation_failed' });
  const segment = await segmentCreate({ client, body: { name, rule } });
  const path = { segment_id: segment.id };
  // The job that follows a new rule may be faster, and then this evaluation changes nothing.
  const evaluation = await segmentEvaluate({ client, path });
  assert.equal(evaluation.state, 'valid');
  const members = await segmentMemberList({ client, path });
  assert.deepEqual(members.data.map((member) => member.patient_id), [many.id]);
  for (const [patient, result] of [[few, 'false'], [many, 'true'], [none, 'missing']] as const) {
    const explained = await segmentExplain({ client, path, query: { patient_id: patient.id } });
    assert.equal(explained.result, result);
  }

  const table = await csvExport({
    client,
    body: { segment_members: { segment_id: segment.id, columns: ['patient_id', 'last_name'] }, delimiter: 'semicolon' },
  });
  assert.equal(await table.text(), `patient_id;last_name\r\n${many.id};${many.last_name}\r\n`);
});
