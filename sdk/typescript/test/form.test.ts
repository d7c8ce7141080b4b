/** Form templates, against the running stack that RESTARTIX_TEST_STACK names. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import { ApiError } from '@restartix/sdk';
import {
  customFieldCreate,
  formTemplateCreate,
  formTemplatePreview,
  formTemplatePublish,
  formTemplateUpdate,
  formTemplateVersionGet,
  type FormDefinition,
  type FormItem,
} from '@restartix/sdk/core';

import { hashOf } from './hash.js';
import { signedIn, skip } from './stack.js';

const ANSWERS = ['not_at_all', 'several_days', 'more_than_half', 'nearly_every_day'];
const ITEMS = ['interest', 'mood'];

const item = (key: string): FormItem => ({
  key,
  field: {
    definition: {
      field_type: 'single_choice',
      label: key,
      options: ANSWERS.map((answer) => ({ key: answer, label: answer })),
      phi: true,
    },
    required: true,
  },
});

/** Two items of 0 to 3 points, their sum, and a hint that is shown from 3 points of the score `score` on. */
const definition = (score: string): FormDefinition => ({
  language: 'en',
  sections: [
    {
      key: 'weeks',
      label: 'The last two weeks',
      items: [
        ...ITEMS.map(item),
        {
          key: 'phq_2',
          score: {
            label: 'PHQ-2',
            formula: 'sum',
            inputs: ITEMS.map((key) => ({
              key,
              points: ANSWERS.map((option, points) => ({ option, points: String(points) })),
            })),
            bands: [
              { key: 'negative', label: 'Negative', from: '0', to: '2' },
              { key: 'positive', label: 'Positive', from: '3', to: '6' },
            ],
          },
        },
        {
          key: 'hint',
          visible_if: { op: 'greater_or_equal', field: score, value: 3 },
          text: { text: 'Please talk to us about it.' },
        },
      ],
    },
  ],
});

/** Returns true if an error is the refusal of a draft whose hint depends on a score that is not there. */
const namesTheFault = (error: unknown): boolean => {
  assert.ok(error instanceof ApiError);
  assert.deepEqual([error.status, error.code], [422, 'validation_failed']);
  const { fields } = error.details as { fields: { pointer: string; rule: string }[] };
  assert.deepEqual(fields.map(({ pointer, rule }) => [pointer, rule]), [
    ['/definition/sections/0/items/3/visible_if/field', 'unknown_reference'],
  ]);
  return true;
};

test('a form is drafted with a fault, mended, published and previewed', { skip }, async () => {
  const client = signedIn('admin');
  const name = `Tested ${randomUUID()}`;
  const draft = await formTemplateCreate({ client, body: { name, definition: definition('phq2') } });
  assert.equal(draft.faults[0]?.pointer, '/definition/sections/0/items/3/visible_if/field');
  const path = { form_template_id: draft.id };
  await assert.rejects(formTemplatePublish({ client, path, body: { version: draft.version } }), namesTheFault);
  await assert.rejects(formTemplatePreview({ client, path, body: {} }), namesTheFault);

  const body = { version: draft.version, name, definition: definition('phq_2') };
  const mended = await formTemplateUpdate({ client, path, body });
  assert.deepEqual([mended.faults, mended.version], [[], draft.version + 1]);
  const published = await formTemplatePublish({ client, path, body: { version: mended.version } });
  assert.deepEqual([published.version, published.changes], [1, []]);
  await assert.rejects(formTemplatePublish({ client, path, body: { version: mended.version } }), {
    status: 409,
    code: 'nothing_to_publish',
    details: { published_version: 1 },
  });

  for (const [answer, value, band, isShown] of [
    ['several_days', '2', 'negative', false],
    ['more_than_half', '4', 'positive', true],
  ] as const) {
    const values = { interest: answer, mood: answer };
    const { evaluation } = await formTemplatePreview({ client: signedIn('staff'), path, body: { version: 1, values } });
    assert.deepEqual(evaluation.scores, [{ key: 'phq_2', state: 'scored', value, band }]);
    assert.equal(evaluation.items.find(({ key }) => key === 'hint')?.visible, isShown);
    assert.deepEqual(evaluation.faults, []);
  }
});

test('the hash of a version is that of its content in the canonical form of RFC 8785', { skip }, async () => {
  const client = signedIn('admin');
  const field = await customFieldCreate({
    client,
    body: {
      entity: 'patient',
      key: `tested_${randomUUID().replaceAll('-', '')}`,
      definition: {
        field_type: 'decimal',
        label: 'Gewicht \u{1F3CB}',
        unit: 'kg',
        validation: { minimum: '0.5', maximum: '500' },
        translations: [{ language: 'ro', label: 'Greutate „în kg”' }],
        phi: false,
      },
      readable_by: [],
      writable_by: [],
    },
  });
  const form = definition('phq_2');
  const [section] = form.sections;
  assert.ok(section);
  section.label = 'Durere „acută”, \\ "acum" \u{1F600} <ß>';
  section.help = 'First line\nSecond line\u20ac';
  section.items.unshift({ key: 'weight', field: { custom_field: { id: field.id, version: field.version } } });
  const body = { name: `Tested ${randomUUID()}`, definition: form };
  const draft = await formTemplateCreate({ client, body });
  const path = { form_template_id: draft.id };
  const published = await formTemplatePublish({
    client,
    path,
    body: { version: draft.version, clear_phi: ['phq_2'] },
  });

  const version = await formTemplateVersionGet({ client, path: { ...path, version: published.version } });
  assert.equal(version.content.fields.length, 1);
  assert.deepEqual(version.content.phi_cleared, ['phq_2']);
  const hash = hashOf(version.content);
  assert.equal(version.content_hash, hash);
  assert.equal(published.content_hash, hash);
});
