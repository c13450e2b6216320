// Whether a block is gone from the bucket, told by its meta.json: of a block's objects it is deleted first.
// Owns the question alone.
import { metaFileName } from '../blocks/meta.ts'
import type { Logger } from '../kit/log.ts'
import type { Bucket } from '../objstore/bucket.ts'

/** False where the bucket does not say. Throws where the signal ends it. */
export async function isDeleted(
  ulid: string,
  { bucket, logger }: { readonly bucket: Bucket; readonly logger: Logger },
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return !(await bucket.exists(`${ulid}/${metaFileName}`, signal))
  } catch (error) {
    if (signal.aborted) throw error
    logger.warn({ block: ulid, err: error }, 'cannot tell whether a block was deleted')
    return false
  }
}
