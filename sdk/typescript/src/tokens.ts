import { meTelemetryTokenCreate } from './client/core/sdk.gen.js';
import type { Client as CoreClient } from './client/core/client/index.js';

/** Provides tokens, and is notified when a service refuses one. */
export interface TokenProvider {
  token(): Promise<string>;
  /** The service answered 401 to this token; the next `token()` should be another. */
  refused(token: string): void;
}

/** A fixed token, a function that returns the current one (e.g. Clerk's `getToken`), or a provider. */
export type Token = string | (() => string | Promise<string>) | TokenProvider;

export const toProvider = (token: Token): TokenProvider => {
  if (typeof token === 'string') return { token: async () => token, refused: () => {} };
  if (typeof token === 'function') return { token: async () => token(), refused: () => {} };
  return token;
};

/** A token and its expiry. */
export interface ExpiringToken {
  token: string;
  /** RFC 3339. */
  expires_at: string;
}

/** Time before its expiry at which a token is renewed, so that none expires in transit. */
const MARGIN_MS = 30_000;

/** Caches a token and renews it before it expires or when it is refused; concurrent calls share a fetch. */
export const renewing = (fetchToken: () => Promise<ExpiringToken>): TokenProvider => {
  let kept: { token: string; endsAt: number } | undefined;
  let pending: Promise<string> | undefined;

  const renew = async (): Promise<string> => {
    try {
      const fresh = await fetchToken();
      kept = { token: fresh.token, endsAt: Date.parse(fresh.expires_at) };
      return kept.token;
    } catch (error) {
      // The old token is still valid for a few seconds, which is better than failing at a short outage.
      if (kept && kept.endsAt > Date.now()) return kept.token;
      throw error;
    } finally {
      pending = undefined;
    }
  };

  return {
    token: async () => {
      if (kept && kept.endsAt > Date.now() + MARGIN_MS) return kept.token;
      pending ??= renew();
      return pending;
    },
    refused: (token) => {
      if (kept?.token === token) kept = undefined;
    },
  };
};

/** Telemetry's tokens, fetched from Core for the person and organization of `core`. */
export const telemetryTokens = (core: CoreClient): TokenProvider =>
  renewing(() => meTelemetryTokenCreate({ client: core }));
