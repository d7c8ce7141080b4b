import { meTelemetryTokenCreate } from './client/core/sdk.gen.js';
import type { Client as CoreClient } from './client/core/client/index.js';

/** Gives tokens, and is told when a service refuses one. */
export interface TokenProvider {
  token(): Promise<string>;
  /** The service answered 401 to this token; the next `token()` should be another. */
  refused(token: string): void;
}

/** A fixed token, a function that gives the present one (Clerk's `getToken`, say), or a provider. */
export type Token = string | (() => string | Promise<string>) | TokenProvider;

export const toProvider = (token: Token): TokenProvider => {
  if (typeof token === 'string') return { token: async () => token, refused: () => {} };
  if (typeof token === 'function') return { token: async () => token(), refused: () => {} };
  return token;
};

/** A token and when it ends. */
export interface ExpiringToken {
  token: string;
  /** RFC 3339. */
  expires_at: string;
}

/** A token is renewed this long before it ends, so that none ends on its way. */
const MARGIN_MS = 30_000;

/** Keeps a token, renews it before it ends or when it is refused; concurrent calls share a fetch. */
export const renewing = (fetchToken: () => Promise<ExpiringToken>): TokenProvider => {
  let kept: { token: string; endsAt: number } | undefined;
  let pending: Promise<string> | undefined;

  const renew = async (): Promise<string> => {
    try {
      const fresh = await fetchToken();
      kept = { token: fresh.token, endsAt: Date.parse(fresh.expires_at) };
      return kept.token;
    } catch (error) {
      // The old one has a few seconds left: better than failing on a hiccup.
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

/** Telemetry's tokens, fetched from Core for the person and organization `core` speaks for. */
export const telemetryTokens = (core: CoreClient): TokenProvider =>
  renewing(() => meTelemetryTokenCreate({ client: core }));
