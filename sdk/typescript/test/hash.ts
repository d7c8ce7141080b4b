import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import canonicalize from 'canonicalize';

/** Returns the SHA-256 of a document in its canonical form (RFC 8785), as npm's implementation writes it. */
export const hashOf = (document: unknown): string => {
  const canonical = canonicalize(document);
  assert.ok(canonical !== undefined);
  return createHash('sha256').update(canonical, 'utf8').digest('hex');
};
