import { retryAfter } from './errors.js';
import type { TokenProvider } from './tokens.js';

/**
 * Number of retries and the pauses between them.
 *
 * Retries answers 429, 502, 503 and 504 and lost connections for GET, HEAD, PUT and DELETE, and for POST with an
 * `Idempotency-Key`, which each POST to Core gets. With such a key it also retries a 409 that has a `Retry-After`,
 * because the first attempt is then still running. The pause doubles each time, half of it is random, and it is never
 * shorter than `Retry-After` asks for.
 */
export interface Retries {
  /** Attempts in all, the first included. 1 means no retry. Default: 3. */
  attempts?: number;
  /** Milliseconds before the second attempt. Default: 200. */
  firstWait?: number;
  /** Longest wait in milliseconds. If a service asks for more, its answer is final. Default: 10 000. */
  longestWait?: number;
}

/** Settings that every request needs. */
export interface TransportOptions {
  /** Default: the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /** Milliseconds one attempt may take, its headers included. Default: 30 000. */
  timeout?: number | undefined;
  retries?: Retries | undefined;
  tokens?: TokenProvider | undefined;
  /** True if the service recognizes a repeated POST by its key and does not execute it again. */
  remembersKeys?: boolean;
}

const isKeyed = (request: Request): boolean => request.method === 'POST' && request.headers.has('Idempotency-Key');

const isRepeatable = (request: Request): boolean =>
  ['GET', 'HEAD', 'PUT', 'DELETE'].includes(request.method) || isKeyed(request);

/** Recognizes a conflict that ends by waiting: the request with this key is still running. */
const isTransient = (request: Request, answer: Response): boolean =>
  [429, 502, 503, 504].includes(answer.status) ||
  (answer.status === 409 && isKeyed(request) && answer.headers.has('Retry-After'));

const pause = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });

/** A `fetch` with a timeout, retries, and one more attempt with a fresh token after a 401. */
export const transport = (options: TransportOptions): typeof fetch => {
  const { timeout = 30_000, tokens, remembersKeys = false } = options;
  const { attempts = 3, firstWait = 200, longestWait = 10_000 } = options.retries ?? {};

  const backoff = (attempt: number): number =>
    Math.min(firstWait * 2 ** (attempt - 1), longestWait) * (0.5 + Math.random() / 2);

  /** Milliseconds to wait before the next attempt, or undefined if the answer is final. */
  const waitAfter = (attempt: number, request: Request, answer: Response): number | undefined => {
    if (attempt >= attempts || !isTransient(request, answer)) return undefined;
    const asked = (retryAfter(answer) ?? 0) * 1000;
    return asked > longestWait ? undefined : Math.max(asked, backoff(attempt));
  };

  const send = async (request: Request): Promise<Response> => {
    const signal = AbortSignal.any([request.signal, AbortSignal.timeout(timeout)]);
    // Looked up at each call, so that tests and instrumentation may replace the global.
    return (options.fetch ?? globalThis.fetch)(request.clone(), { signal });
  };

  /** The same request with a fresh token, if there is one. */
  const renewed = async (request: Request): Promise<Request | undefined> => {
    const [, refused] = /^Bearer (.+)$/.exec(request.headers.get('Authorization') ?? '') ?? [];
    if (tokens === undefined || refused === undefined) return undefined;
    tokens.refused(refused);
    const fresh = await tokens.token();
    if (fresh === refused) return undefined;
    const again = new Request(request.clone());
    again.headers.set('Authorization', `Bearer ${fresh}`);
    return again;
  };

  return async (input, init) => {
    let request = new Request(input, init);
    if (remembersKeys && attempts > 1 && request.method === 'POST' && !request.headers.has('Idempotency-Key')) {
      // A key ensures that a call that is retried is executed once.
      request.headers.set('Idempotency-Key', crypto.randomUUID());
    }
    const repeatable = isRepeatable(request);
    let mayRenew = true;
    for (let attempt = 1; ; ) {
      let answer: Response;
      try {
        answer = await send(request);
      } catch (error) {
        // fetch reports a lost connection as a TypeError; a timeout or an abort is final.
        if (!repeatable || attempt >= attempts || !(error instanceof TypeError)) throw error;
        await pause(backoff(attempt), request.signal);
        attempt += 1;
        continue;
      }
      if (answer.status === 401 && mayRenew) {
        mayRenew = false;
        // A 401 means nothing was done, so this is safe for every method.
        const again = await renewed(request).catch(() => undefined);
        if (again !== undefined) {
          await answer.body?.cancel();
          request = again;
          continue;
        }
      }
      const wait = repeatable ? waitAfter(attempt, request, answer) : undefined;
      if (wait === undefined) return answer;
      await answer.body?.cancel();
      await pause(wait, request.signal);
      attempt += 1;
    }
  };
};
