/** A visit with its form, against the running stack that RESTARTIX_TEST_STACK names. */
import assert from 'node:assert/strict';
import { randomInt, randomUUID } from 'node:crypto';
import { test } from 'node:test';

import {
  appointmentFormsAttach,
  appointmentFromTemplate,
  appointmentTemplateCreate,
  formAmend,
  formGet,
  formSign,
  formSubmit,
  formTemplateCreate,
  formTemplatePublish,
  formTemplateVersionGet,
  formUpdate,
  meFormList,
  meGet,
  type Form,
  type FormDefinition,
  type FormItem,
  type UpdateForm,
} from '@restartix/sdk/core';

import { hashOf } from './hash.js';
import { signedIn, skip } from './stack.js';

const field = (key: string, field_type: 'decimal' | 'long_text' | 'scale' | 'text', required = false): FormItem => ({
  key,
  field: { definition: { field_type, label: key, phi: true }, required },
});

/** Pain and its half, a note, and drugs; the patient consents, then the specialist completes the form. */
const definition: FormDefinition = {
  language: 'en',
  sections: [
    {
      key: 'today',
      label: 'Today „acum” \u{1F600}',
      items: [
        field('pain', 'scale', true),
        field('weight', 'decimal'),
        field('note', 'long_text'),
        {
          key: 'half',
          score: { label: 'Half', formula: 'sum', inputs: [{ key: 'pain' }], divisor: '2', decimals: 1 },
        },
        {
          key: 'drugs',
          group: {
            label: 'Drugs',
            max_entries: 5,
            items: [{ key: 'name', field: { definition: { field_type: 'text', label: 'Name', phi: true } } }],
          },
        },
      ],
    },
  ],
  signatures: [
    { signer: 'patient', meaning: 'consent' },
    { signer: 'specialist', meaning: 'completion' },
  ],
};

/** Checks every hash of a signed form by nothing but the answer of the API. */
const verify = (form: Form, signatures: number): void => {
  assert.equal(hashOf(form.content), form.content_hash);
  assert.equal(form.signatures.length, signatures);
  let previous: string | undefined;
  for (const { statement, hash } of form.signatures) {
    assert.equal(hashOf(statement), hash);
    assert.equal(statement.content_hash, form.content_hash);
    assert.equal(statement.form_uid, form.uid);
    assert.equal(statement.previous_hash, previous);
    previous = hash;
  }
};

/** Publishes a template and books an appointment with its form; returns template, appointment and form. */
const booked = async () => {
  const admin = signedIn('admin');
  const draft = await formTemplateCreate({ client: admin, body: { name: `Tested ${randomUUID()}`, definition } });
  const path = { form_template_id: draft.id };
  await formTemplatePublish({ client: admin, path, body: { version: draft.version } });
  const kind = await appointmentTemplateCreate({
    client: admin,
    body: {
      name: `Tested ${randomUUID()}`,
      duration_minutes: 15,
      modality: 'in_person',
      form_template_ids: [draft.id],
    },
  });
  const { patient_id } = await meGet({ client: signedIn('patient') });
  const { specialist_id } = await meGet({ client: signedIn('specialist') });
  assert.ok(typeof patient_id === 'number' && typeof specialist_id === 'number');
  const quarter = randomInt(0, 4 * 24 * 365 * 3);
  const started_at = new Date(Date.UTC(2031, 0, 1) + quarter * 15 * 60_000).toISOString();
  const { appointment, forms } = await appointmentFromTemplate({
    client: signedIn('staff'),
    body: { appointment_template_id: kind.id, specialist_id, patient_id, started_at },
  });
  const [form] = forms;
  assert.ok(form !== undefined && forms.length === 1);
  return { template: draft.id, appointment, form };
};

test('a patient fills in the form of a visit, both sign it, and the specialist amends it', { skip }, async () => {
  const [patient, specialist] = [signedIn('patient'), signedIn('specialist')];
  const { template, appointment, form } = await booked();
  assert.deepEqual([form.status, form.appointment_id, form.version], ['draft', appointment.id, 1]);
  assert.equal(Date.parse(form.due_at ?? ''), Date.parse(appointment.started_at));
  const again = await appointmentFormsAttach({
    client: signedIn('staff'),
    path: { appointment_id: appointment.id },
    body: {},
  });
  assert.deepEqual(again.forms.map(({ id }) => id), [form.id]);
  const due = (await meFormList({ client: patient })).data.find(({ id }) => id === form.id);
  assert.equal(due?.definition?.sections[0]?.key, 'today', 'it is due, and comes with its definition');
  assert.deepEqual(due?.values, {});

  // The patient saves what it has so far, and is told what is missing.
  const path = { form_id: form.id };
  const entry = randomUUID();
  const save = (body: UpdateForm) => formUpdate({ client: patient, path, body });
  const first = await save({ version: 1, values: { weight: '71.50', drugs: { [entry]: { name: 'Ibuprofen' } } } });
  await assert.rejects(formSubmit({ client: patient, path, body: { version: first.version } }), {
    status: 422,
    code: 'validation_failed',
  });
  // A later save of other fields from the same version merges; one of the same field doesn't.
  const note = 'Durere „acută”, \\ "acum" <ß>\nSecond line\u20ac';
  const second = await save({ version: first.version, values: { pain: 7 } });
  const third = await save({ version: first.version, values: { note } });
  await assert.rejects(save({ version: first.version, values: { pain: 8 } }), {
    status: 409,
    code: 'stale_version',
    details: { version: third.version, keys: ['pain'] },
  });
  assert.ok(third.version > second.version);
  const submitted = await formSubmit({ client: patient, path, body: { version: third.version } });
  assert.deepEqual(submitted.values, {
    pain: 7,
    weight: '71.5',
    note,
    drugs: [{ id: entry, name: 'Ibuprofen' }],
  });

  const consented = await formSign({
    client: patient,
    path,
    body: { version: submitted.version, meaning: 'consent' },
  });
  assert.equal(consented.status, 'partly_signed');
  verify(consented, 1);
  const read = await formGet({ client: specialist, path });
  const signed = await formSign({ client: specialist, path, body: { version: read.version, meaning: 'completion' } });
  assert.equal(signed.status, 'signed');
  verify(signed, 2);
  assert.deepEqual(signed.signatures[0], consented.signatures[0]);
  const content = signed.content as Record<string, unknown>;
  const version = await formTemplateVersionGet({
    client: specialist,
    path: { form_template_id: template, version: 1 },
  });
  assert.equal(content['template_hash'], version.content_hash);
  assert.deepEqual(content['values'], submitted.values);
  assert.deepEqual(content['scores'], [{ key: 'half', state: 'scored', value: '3.5' }]);
  await assert.rejects(save({ version: signed.version, values: { pain: 1 } }), { status: 409, code: 'form_signed' });

  const amendment = await formAmend({ client: specialist, path, body: { version: signed.version } });
  assert.deepEqual([amendment.amends_id, amendment.status, amendment.values], [form.id, 'draft', signed.values]);
  const after = await formGet({ client: patient, path });
  assert.deepEqual([after.amended_by_id, after.content, after.status], [amendment.id, signed.content, 'signed']);
  verify(after, 2);
  await assert.rejects(formAmend({ client: specialist, path, body: { version: signed.version } }), {
    status: 409,
    code: 'form_amended',
    details: { amended_by_id: amendment.id },
  });
});

test('nobody signs before its turn, or for somebody else', { skip }, async () => {
  const patient = signedIn('patient');
  const { form } = await booked();
  const path = { form_id: form.id };
  const saved = await formUpdate({ client: patient, path, body: { version: 1, values: { pain: 2 } } });
  const sign = (who: 'patient' | 'specialist' | 'staff', version: number, meaning: 'completion' | 'consent') =>
    formSign({ client: signedIn(who), path, body: { version, meaning } });
  await assert.rejects(sign('patient', saved.version, 'consent'), { status: 409, code: 'form_not_submitted' });
  const { version } = await formSubmit({ client: patient, path, body: { version: saved.version } });
  await assert.rejects(sign('staff', version, 'consent'), { status: 403, code: 'permission_denied' });
  const notNext = {
    status: 409,
    code: 'form_signature_not_next',
    details: { next: { signer: 'patient', meaning: 'consent' } },
  };
  await assert.rejects(sign('patient', version, 'completion'), notNext);
  await assert.rejects(sign('specialist', version, 'completion'), notNext);
  assert.equal((await sign('patient', version, 'consent')).status, 'partly_signed');
});
