// Calls Clerk's and Svix's libraries: reads a JSON array of questions from standard input and writes an array
// of answers to standard output.

import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { verifyToken } from '@clerk/backend';
import { signJwt } from '@clerk/backend/jwt';
import { verifyWebhook } from '@clerk/backend/webhooks';
import { Webhook } from 'svix';

import { events } from './events.mjs';

const answers = {
  // A message of Clerk's, signed by Svix, `sent_at` in seconds.
  message({ secret, id, sent_at, type, of }) {
    const body = JSON.stringify(events[type](of));
    return { body, signature: new Webhook(secret).sign(id, new Date(sent_at * 1000), body) };
  },

  // A signature by Svix over any text.
  signature({ secret, id, sent_at, body }) {
    return new Webhook(secret).sign(id, new Date(sent_at * 1000), body);
  },

  // Verifies a webhook message with Clerk's library and returns its type.
  async webhook_verify({ secret, headers, body }) {
    const request = new Request('http://localhost/webhooks/clerk', { method: 'POST', headers, body });
    return (await verifyWebhook(request, { signingSecret: secret })).type;
  },

  // A session token by Clerk's library.
  token_sign({ claims, pem, kid }) {
    return signJwt(claims, pem, { algorithm: 'RS256', header: { kid, typ: 'JWT', cat: 'cl_B7d4PD111AAA' } });
  },

  // Verifies a session token with Clerk's library and returns its claims.
  token_verify({ token, pem, authorized_party }) {
    const jwtKey = createPublicKey(pem).export({ type: 'spki', format: 'pem' });
    return verifyToken(token, { jwtKey, authorizedParties: [authorized_party] });
  },
};

const out = [];
for (const { ask, ...question } of JSON.parse(readFileSync(0, 'utf8'))) {
  try {
    out.push({ answer: await answers[ask](question) });
  } catch (error) {
    out.push({ error: String(error) });
  }
}
process.stdout.write(JSON.stringify(out));
