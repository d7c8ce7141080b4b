/**
 * Typed clients for the RestartiX services.
 *
 * ```ts
 * import { createCoreClient } from '@restartix/sdk';
 * import { patientList } from '@restartix/sdk/core';
 *
 * const client = createCoreClient({ baseUrl: 'http://localhost:9000', token: () => clerk.session.getToken() });
 * const page = await patientList({ client, query: { page: 1 } });
 * ```
 *
 * Operations are functions named like their `operationId` (`patient_list` → `patientList`); an operation returns its
 * data or throws an {@link ApiError}.
 */
import { createClient as createGeneratedCore, createConfig as coreConfig } from './client/core/client/index.js';
import type { Client as CoreClient } from './client/core/client/index.js';
import {
  createClient as createGeneratedTelemetry,
  createConfig as telemetryConfig,
} from './client/telemetry/client/index.js';
import type { Client as TelemetryClient } from './client/telemetry/client/index.js';
import { toApiError } from './errors.js';
import { telemetryTokens, toProvider, type Token, type TokenProvider } from './tokens.js';
import { transport, type Retries } from './transport.js';

export { ApiError, type ApiErrorInit } from './errors.js';
export { renewing, telemetryTokens, type ExpiringToken, type Token, type TokenProvider } from './tokens.js';
export type { Retries } from './transport.js';
export type { CoreClient, TelemetryClient };

/** Options of the clients of both services. */
export interface ClientOptions {
  /** Scheme, host and port of the service, without `/v1`. */
  baseUrl: string;
  /** Milliseconds one attempt may take. Default: 30 000. */
  timeout?: number;
  retries?: Retries;
  /** Replaces the global `fetch`. */
  fetch?: typeof fetch;
}

export interface CoreClientOptions extends ClientOptions {
  /** The session token, or its source. */
  token?: Token;
  /** An organization's API key, for server-side integrations. */
  apiKey?: string;
  /** The organization calls are about, unless a call names another. */
  organizationId?: number;
}

export interface TelemetryClientOptions extends ClientOptions {
  /**
   * Source of the tokens: a client of Core, which fetches and renews them, or the tokens themselves.
   */
  tokens: CoreClient | Token;
}

/** The part of a generated client's configuration that both services share. */
const settings = (options: ClientOptions, tokens: TokenProvider | undefined, remembersKeys: boolean) => ({
  baseUrl: options.baseUrl.replace(/\/+$/, ''),
  fetch: transport({
    fetch: options.fetch,
    timeout: options.timeout,
    retries: options.retries,
    tokens,
    remembersKeys,
  }),
  // A redirect would send credentials to its target; the services send no redirects.
  redirect: 'error' as const,
});

/** A client of Core, for the operations of `@restartix/sdk/core`. */
export const createCoreClient = (options: CoreClientOptions): CoreClient => {
  const tokens = options.token === undefined ? undefined : toProvider(options.token);
  const client = createGeneratedCore(
    coreConfig({
      ...settings(options, tokens, true),
      throwOnError: true,
      auth: async (scheme) => (scheme.type === 'apiKey' ? options.apiKey : tokens?.token()),
      headers: options.organizationId === undefined ? {} : { 'X-Organization-Id': String(options.organizationId) },
    }),
  );
  client.interceptors.error.use(toApiError);
  return client;
};

const isClient = (tokens: CoreClient | Token): tokens is CoreClient =>
  typeof tokens === 'object' && 'interceptors' in tokens;

/** A client of Telemetry, for the operations of `@restartix/sdk/telemetry`. */
export const createTelemetryClient = (options: TelemetryClientOptions): TelemetryClient => {
  const tokens = isClient(options.tokens) ? telemetryTokens(options.tokens) : toProvider(options.tokens);
  const client = createGeneratedTelemetry(
    telemetryConfig({
      ...settings(options, tokens, false),
      throwOnError: true,
      auth: async (scheme) => (scheme.type === 'apiKey' ? undefined : tokens.token()),
    }),
  );
  client.interceptors.error.use(toApiError);
  return client;
};
