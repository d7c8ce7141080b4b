import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';

import { ApiError, createCoreClient, createTelemetryClient, renewing } from '@restartix/sdk';

import { service, type Answer } from './service.js';

const started = async (context: TestContext, answers: Answer[]) => {
  const running = await service(answers);
  context.after(running.stop);
  return running;
};

const fault = (code: string, extra: object = {}) => ({ error: { code, message: 'No.', request_id: 'r-1', ...extra } });
const quick = { firstWait: 1 };

test('an error answer is thrown as an ApiError with all the envelope says', async (context) => {
  const { baseUrl } = await started(context, [
    { status: 409, headers: { 'Retry-After': '7' }, body: fault('slot_taken', { details: { until: 'noon' } }) },
  ]);
  const client = createCoreClient({ baseUrl });
  await assert.rejects(client.post({ url: '/v1/things', body: {} }), (error: unknown) => {
    assert.ok(error instanceof ApiError && error instanceof Error);
    assert.deepEqual(
      [error.name, error.status, error.code, error.message, error.requestId, error.retryAfter, error.details],
      ['ApiError', 409, 'slot_taken', 'No.', 'r-1', 7, { until: 'noon' }],
    );
    return true;
  });
});

test('a GET is tried again until the service is back', async (context) => {
  const { baseUrl, seen } = await started(context, [
    { status: 503, body: fault('down') },
    { status: 502 },
    { status: 200, body: { fine: true } },
  ]);
  const client = createCoreClient({ baseUrl, retries: quick });
  assert.deepEqual(await client.get({ url: '/v1/things', responseStyle: 'data' }), { fine: true });
  assert.equal(seen.length, 3);
});

test('a POST is tried again only with an Idempotency-Key, with its body', async (context) => {
  const { baseUrl, seen } = await started(context, [{ status: 503, body: fault('down') }]);
  const client = createTelemetryClient({ baseUrl, tokens: 't', retries: { ...quick, attempts: 2 } });
  await assert.rejects(client.post({ url: '/v1/things', body: { n: 1 } }), { code: 'down' });
  assert.equal(seen.length, 1);
  const headers = { 'Idempotency-Key': 'k', 'Content-Type': 'application/json' };
  await assert.rejects(client.post({ url: '/v1/things', body: { n: 2 }, headers }), { code: 'down' });
  assert.deepEqual(seen.map((request) => request.body), ['{"n":1}', '{"n":2}', '{"n":2}']);
});

test('Core gets a key with each POST, the same one with each attempt', async (context) => {
  const { baseUrl, seen } = await started(context, [{ status: 503, body: fault('down') }, { status: 201, body: {} }]);
  const client = createCoreClient({ baseUrl, retries: quick });
  await client.post({ url: '/v1/things', body: { n: 1 } });
  const [first, second] = seen.map((request) => request.headers['idempotency-key']);
  assert.match(String(first), /^[0-9a-f-]{36}$/);
  assert.equal(second, first);
});

test('a POST that is still being carried out is asked for again with its key', async (context) => {
  const busy = { status: 409, headers: { 'Retry-After': '0' }, body: fault('idempotency_in_progress') };
  const keyed = await started(context, [busy, { status: 201, body: { id: 7 } }]);
  const client = createCoreClient({ baseUrl: keyed.baseUrl, retries: quick });
  assert.deepEqual(await client.post({ url: '/v1/things', body: {}, responseStyle: 'data' }), { id: 7 });
  const [first, second] = keyed.seen.map((request) => request.headers['idempotency-key']);
  assert.equal(keyed.seen.length, 2);
  assert.ok(first !== undefined && second === first, 'the second attempt is the first again');

  const unkeyed = await started(context, [busy, { status: 201, body: {} }]);
  const forgetful = createTelemetryClient({ baseUrl: unkeyed.baseUrl, tokens: 't', retries: quick });
  await assert.rejects(forgetful.post({ url: '/v1/things', body: {} }), { code: 'idempotency_in_progress' });
  const taken = await started(context, [{ status: 409, body: fault('slot_taken') }, { status: 201, body: {} }]);
  const late = createCoreClient({ baseUrl: taken.baseUrl, retries: quick });
  await assert.rejects(late.post({ url: '/v1/things', body: {} }), { code: 'slot_taken' });
  assert.deepEqual([unkeyed.seen.length, taken.seen.length], [1, 1], 'other conflicts stand');
});

test('a wait longer than the caller allows is not waited out', async (context) => {
  const { baseUrl, seen } = await started(context, [
    { status: 429, headers: { 'Retry-After': '60' }, body: fault('rate_limited') },
  ]);
  const client = createCoreClient({ baseUrl, retries: quick });
  await assert.rejects(client.get({ url: '/v1/things' }), { code: 'rate_limited', retryAfter: 60 });
  assert.equal(seen.length, 1);
});

test('a refused token is renewed once and the call repeated', async (context) => {
  const { baseUrl, seen } = await started(context, [
    { status: 401, body: fault('token_expired') },
    { status: 200, body: {} },
  ]);
  let number = 0;
  const expires_at = new Date(Date.now() + 600_000).toISOString();
  const client = createTelemetryClient({ baseUrl, tokens: renewing(async () => ({ token: `t${++number}`, expires_at })) });
  const security = [{ type: 'http', scheme: 'bearer' }] as const;
  await client.post({ url: '/v1/events', body: { n: 1 }, security });
  assert.deepEqual(seen.map((request) => request.headers.authorization), ['Bearer t1', 'Bearer t2']);
  assert.deepEqual(seen.map((request) => request.body), ['{"n":1}', '{"n":1}']);
  await client.post({ url: '/v1/events', body: {}, security });
  assert.equal(number, 2, 'a token is kept while it lives');
});

test('a token near its end is renewed before it is sent, by one fetch for concurrent calls', async () => {
  let fetched = 0;
  const tokens = renewing(async () => {
    fetched += 1;
    return { token: `t${fetched}`, expires_at: new Date(Date.now() + 10_000).toISOString() };
  });
  assert.deepEqual(await Promise.all([tokens.token(), tokens.token()]), ['t1', 't1']);
  assert.equal(await tokens.token(), 't2');
});

test('credentials go only to operations that ask for them, the organization to all', async (context) => {
  const { baseUrl, seen } = await started(context, [{ status: 200, body: {} }]);
  const client = createCoreClient({ baseUrl, token: () => 'secret', organizationId: 42 });
  await client.get({ url: '/public' });
  await client.get({ url: '/v1/things', security: [{ type: 'http', scheme: 'bearer' }] });
  assert.deepEqual(seen.map((request) => request.headers.authorization), [undefined, 'Bearer secret']);
  assert.deepEqual(seen.map((request) => request.headers['x-organization-id']), ['42', '42']);
});

test('a service that is not there, a slow one and an abort are told apart', async (context) => {
  const gone = await service([]);
  await gone.stop();
  const lost = createCoreClient({ baseUrl: gone.baseUrl, retries: quick });
  await assert.rejects(lost.get({ url: '/' }), { name: 'ApiError', status: 0, code: 'connection_failed' });

  const silent: typeof fetch = (_input, init) =>
    new Promise((_resolve, reject) => {
      const stop = () => reject(init?.signal?.reason);
      if (init?.signal?.aborted) stop();
      else init?.signal?.addEventListener('abort', stop);
    });
  const slow = createCoreClient({ baseUrl: 'http://slow.test', timeout: 20, fetch: silent });
  // The timer of AbortSignal.timeout does not keep Node alive by itself.
  const alive = setInterval(() => {}, 1000);
  context.after(() => clearInterval(alive));
  await assert.rejects(slow.get({ url: '/' }), { name: 'ApiError', code: 'timeout' });
  await assert.rejects(slow.get({ url: '/', signal: AbortSignal.abort() }), { name: 'AbortError' });
});
