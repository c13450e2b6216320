// Whether a block is why the work failed, and the error that names it.
// Specification: lib/kit/errors.ts for the codes.
// Owns what counts as the block's own: bad bytes, bytes of a format that we don't know, a file that is missing.
import { type ErrorCode, MnemoError } from '../kit/errors.ts'

const blameable: ReadonlySet<ErrorCode> = new Set(['corrupt', 'unsupported', 'not_found'])

/** Whether the error is about the block itself, and not about the bucket, the disk or an abort. */
export function isOfBlock(error: unknown): error is MnemoError {
  return error instanceof MnemoError && blameable.has(error.code)
}

/** One block is why the work failed: the others may still be worked on without it. */
export class BlockError extends MnemoError {
  readonly ulid: string

  constructor(code: ErrorCode, ulid: string, message: string, options?: { cause?: unknown }) {
    super(code, message, options)
    this.ulid = ulid
  }
}
