// The registry of what can go wrong: each code with its meaning on HTTP, on gRPC and for a retry.
// HTTP types and statuses are those of Prometheus's HTTP API (errorType), gRPC statuses the numbers of grpc.status.
// Owns every error that crosses a module's border; nothing matches on message text.

interface ErrorKind {
  readonly http: number
  /** Number of grpc.status. */
  readonly grpc: number
  readonly retryable: boolean
}

export const errorKinds = {
  /** A request or an expression that is wrong in itself. */
  bad_data: { http: 400, grpc: 3, retryable: false },
  /** A wrong flag, file or configuration at start: the process ends with status 2. */
  config: { http: 500, grpc: 9, retryable: false },
  /** An expression that cannot be evaluated over this data. */
  execution: { http: 422, grpc: 9, retryable: false },
  /** Valid, but this version does not do it. */
  unsupported: { http: 422, grpc: 12, retryable: false },
  timeout: { http: 503, grpc: 4, retryable: true },
  canceled: { http: 499, grpc: 1, retryable: false },
  not_found: { http: 404, grpc: 5, retryable: false },
  /** A conditional put met an object that is already there. */
  already_exists: { http: 409, grpc: 6, retryable: false },
  /** A limit was reached: series, samples, bytes, memory. */
  resource_exhausted: { http: 422, grpc: 8, retryable: false },
  /** A peer or bucket that cannot be reached now. */
  unavailable: { http: 503, grpc: 14, retryable: true },
  /** Bytes that are not what their format says; the message names file, offset and section. */
  corrupt: { http: 500, grpc: 15, retryable: false },
  internal: { http: 500, grpc: 13, retryable: false },
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof errorKinds

/**
 * An error with a code from the registry. Messages read "cannot X Y: got …, want …".
 * Where bytes were bad, the message names file, byte offset and section.
 */
export class MnemoError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'MnemoError'
    this.code = code
  }

  get httpStatus(): number {
    return errorKinds[this.code].http
  }

  get grpcStatus(): number {
    return errorKinds[this.code].grpc
  }

  get retryable(): boolean {
    return errorKinds[this.code].retryable
  }
}

/** The error itself where it has a code; a thrown abort as `canceled`; anything else wrapped as `internal`. */
export function asMnemoError(error: unknown): MnemoError {
  if (error instanceof MnemoError) return error
  if (error instanceof Error && error.name === 'AbortError')
    return new MnemoError('canceled', error.message, { cause: error })
  return new MnemoError('internal', error instanceof Error ? error.message : String(error), { cause: error })
}

/** An error's message with those of its causes, outermost first, on one line. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${describeError(error.cause)}`
}
