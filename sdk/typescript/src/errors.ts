/** The body of every error answer of both services. */
interface Envelope {
  error: { code: string; message: string; details?: unknown; request_id: string };
}

/** Parts of an `ApiError`. */
export interface ApiErrorInit {
  status: number;
  code: string;
  message: string;
  details?: unknown;
  requestId?: string | undefined;
  retryAfter?: number | undefined;
  body?: unknown;
  cause?: unknown;
}

/**
 * A call that failed: the service answered with an error, or could not be reached.
 *
 * ```ts
 * try {
 *   await appointmentCreate({ client, body });
 * } catch (error) {
 *   if (error instanceof ApiError && error.code === 'slot_taken') offerAnotherSlot();
 *   else throw error;
 * }
 * ```
 */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** Status of the answer; 0 if there was none. */
  readonly status: number;
  /**
   * Stable name of the fault. Without an answer of the service: `connection_failed` or `timeout`;
   * for an answer that is not the services' own (a proxy's, say): `unexpected_response`.
   */
  readonly code: string;
  /** Facts about the fault; which ones depends on the code. */
  readonly details: unknown;
  /** Quote this to support. */
  readonly requestId: string | undefined;
  /** Seconds the service asks to wait before trying again. */
  readonly retryAfter: number | undefined;
  /** The body as it came, parsed if it was JSON. */
  readonly body: unknown;

  constructor(init: ApiErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.status = init.status;
    this.code = init.code;
    this.details = init.details;
    this.requestId = init.requestId;
    this.retryAfter = init.retryAfter;
    this.body = init.body;
  }
}

const isEnvelope = (body: unknown): body is Envelope => {
  const error = (body as Partial<Envelope> | null | undefined)?.error;
  return typeof error === 'object' && error !== null && typeof error.code === 'string';
};

/** `Retry-After` in seconds, the only form the services send. */
export const retryAfter = (response: Response): number | undefined => {
  const seconds = Number.parseInt(response.headers.get('Retry-After') ?? '', 10);
  return Number.isNaN(seconds) ? undefined : seconds;
};

/** Converts an error that the generated client caught into the error that it throws. */
export const toApiError = (caught: unknown, response: Response | undefined): unknown => {
  if (caught instanceof ApiError) return caught;
  if (response === undefined) {
    // A caller that aborts expects its own AbortError.
    if (caught instanceof DOMException && caught.name === 'AbortError') return caught;
    const timedOut = caught instanceof DOMException && caught.name === 'TimeoutError';
    return new ApiError({
      status: 0,
      code: timedOut ? 'timeout' : 'connection_failed',
      message: timedOut ? 'The service did not answer in time.' : 'The service could not be reached.',
      cause: caught,
    });
  }
  const requestId = response.headers.get('X-Request-Id') ?? undefined;
  if (isEnvelope(caught)) {
    return new ApiError({
      status: response.status,
      code: caught.error.code,
      message: caught.error.message,
      details: caught.error.details,
      requestId: caught.error.request_id ?? requestId,
      retryAfter: retryAfter(response),
      body: caught,
    });
  }
  return new ApiError({
    status: response.status,
    code: 'unexpected_response',
    message: `The answer (${response.status}) is not one of the service's own.`,
    requestId,
    retryAfter: retryAfter(response),
    body: caught,
  });
};
