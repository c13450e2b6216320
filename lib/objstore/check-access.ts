// What a service that runs on does first with its bucket: keys that are refused are found at the start, and not hours later.
// A bucket that hangs may take all of its deadlines and retries, which is minutes: to be called once the service listens.
// Owns nothing.
import { asMnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import type { Bucket } from './bucket.ts'

const slowMs = 10_000

/** Throws `config` where the bucket refuses its keys or is not there; one that cannot be reached now is a warning. */
export async function checkAccess(bucket: Bucket, logger: Logger, signal: AbortSignal): Promise<void> {
  const slow = setTimeout(() => logger.warn({ bucket: bucket.description }, 'the bucket does not answer yet'), slowMs)
  try {
    await bucket.exists('mnemo-start/meta.json', signal)
  } catch (err) {
    if (signal.aborted || asMnemoError(err).code === 'config') throw err
    logger.warn({ err }, 'the bucket cannot be reached now: it is tried again and again')
  } finally {
    clearTimeout(slow)
  }
}
