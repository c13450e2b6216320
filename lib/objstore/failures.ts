// Failures and aborts: from what Node.js and an AbortSignal throw to the errors of a Bucket.
// Specification: the error codes in bucket.ts.
// Owns the mapping for files and aborts; S3's own answers are mapped in s3-errors.ts.
import { addAbortSignal, PassThrough, pipeline, type Readable } from 'node:stream'
import { MnemoError } from '../kit/errors.ts'
import { mayPass, systemCode } from '../kit/system-errors.ts'

/** Throws `canceled` (or `timeout`, where a deadline passed) once the signal has been aborted. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw abortError(signal, what)
}

/** The error of an operation that its signal ended: the signal's own where it has a code. */
export function abortError(signal: AbortSignal, what: string): MnemoError {
  const reason: unknown = signal.reason
  if (reason instanceof MnemoError) return reason
  const code = reason instanceof Error && reason.name === 'TimeoutError' ? 'timeout' : 'canceled'
  return new MnemoError(code, `cannot ${what}: ${code === 'timeout' ? 'its time is up' : 'canceled'}`, {
    cause: reason,
  })
}

/** A failed file operation as a Bucket's error; `what` completes "cannot …". */
export function fileError(error: unknown, what: string, signal?: AbortSignal): MnemoError {
  if (error instanceof MnemoError) return error
  if (signal?.aborted) return abortError(signal, what)
  const code = systemCode(error)
  const cause = { cause: error }
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR')
    return new MnemoError('not_found', `cannot ${what}: no such object`, cause)
  if (code === 'EEXIST') return new MnemoError('already_exists', `cannot ${what}: it is already there`, cause)
  return new MnemoError(mayPass(error) ? 'unavailable' : 'internal', `cannot ${what}`, cause)
}

/** The source, ended by the signal at once: also where the source itself is stuck and cannot be destroyed. */
export function abortable(source: Readable, signal: AbortSignal | undefined): Readable {
  if (!signal) return source
  const pass = new PassThrough({ highWaterMark: 256 * 1024 })
  // Failures reach the reader through `pass`; here they need no second answer.
  pipeline(source, pass, () => {})
  return addAbortSignal(signal, pass)
}
