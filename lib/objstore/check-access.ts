// What a service that runs on does first with its bucket: keys that are refused are found at the start, and not hours later.
// Owns nothing.
import { asMnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import type { Bucket } from './bucket.ts'

/** Throws `config` where the bucket refuses its keys or is not there; one that cannot be reached now is a warning. */
export async function checkAccess(bucket: Bucket, logger: Logger, signal: AbortSignal): Promise<void> {
  try {
    await bucket.exists('mnemo-start/meta.json', signal)
  } catch (err) {
    if (signal.aborted || asMnemoError(err).code === 'config') throw err
    logger.warn({ err }, 'the bucket cannot be reached now: it is tried again and again')
  }
}
