// The operating system's error codes, as Node.js gives them.
// Source: errno(3).
// Owns which of them may pass: work that met one is tried again later.
import { MnemoError } from './errors.ts'

const passing = new Set(['EIO', 'EAGAIN', 'EBUSY', 'EMFILE', 'ENFILE', 'ENOSPC', 'EDQUOT', 'ESTALE', 'ETIMEDOUT'])

/** The `code` of a system error (ENOENT, ECONNRESET …), where there is one. */
export function systemCode(error: unknown): string | undefined {
  if (error instanceof MnemoError) return undefined
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Whether a failed file operation may go through later: a full disk, too many open files. */
export function mayPass(error: unknown): boolean {
  return passing.has(systemCode(error) ?? '')
}
