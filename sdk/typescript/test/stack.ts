import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { createCoreClient } from '@restartix/sdk';

type Role = 'admin' | 'specialist' | 'staff' | 'patient';

interface Stack {
  core: string;
  telemetry: string;
  organizations: { id: number; tokens: Record<Role, string> }[];
}

const file = process.env['RESTARTIX_TEST_STACK'];

/** Reason for skipping the tests against the services, or false. */
export const skip = file === undefined ? 'RESTARTIX_TEST_STACK names no stack: run `cargo xtask test`' : false;

/** The running stack. */
export const stack = (file === undefined ? { organizations: [] } : JSON.parse(readFileSync(file, 'utf8'))) as Stack;

const [home, other] = stack.organizations as [Stack['organizations'][0], Stack['organizations'][0]];

/** A clinic that `signedIn` does not use by itself. */
export const otherClinic = other;

/** A client of Core for someone of a clinic. */
export const signedIn = (who: Role, of = home) =>
  createCoreClient({ baseUrl: stack.core, token: of.tokens[who], organizationId: of.id });

export const newPatient = () => ({ first_name: 'Grace', last_name: `Tested ${randomUUID()}` });
