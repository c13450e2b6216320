// The tombstones of a block in a bucket: which times of which series have been deleted since it was made.
// Specification: Prometheus's tombstones file beside index and chunks. Thanos neither ships nor reads it; Mnemo does both.
// Owns when the bucket is asked for it: most blocks have none, and most metas tell.
import { MnemoError } from '../kit/errors.ts'
import type { ReadableBucket } from '../objstore/bucket.ts'
import { decodeTombstones, maxTombstonesBytes, type Tombstones, tombstonesFile } from '../tsdb/tombstones.ts'
import type { BlockMeta } from './meta.ts'

/**
 * Deleted intervals by series reference; none where the block has no such file. The bucket is asked where meta.json lists
 * the file, counts tombstones or lists no files at all. Throws `corrupt`, `not_found` for a file that is listed, `unavailable`.
 */
export async function readBucketTombstones(
  bucket: ReadableBucket,
  meta: BlockMeta,
  signal?: AbortSignal,
): Promise<Tombstones> {
  const { files } = meta.thanos
  const isListed = files.some(({ relPath }) => relPath === tombstonesFile)
  if (!isListed && files.length > 0 && !meta.stats.numTombstones) return new Map()
  const name = `${meta.ulid}/${tombstonesFile}`
  let bytes: Uint8Array
  try {
    bytes = await bucket.getRange(name, 0, maxTombstonesBytes + 1, signal)
  } catch (error) {
    if (!isListed && error instanceof MnemoError && error.code === 'not_found') return new Map()
    throw error
  }
  if (bytes.length > maxTombstonesBytes)
    throw new MnemoError('corrupt', `cannot read ${name}: got more than ${maxTombstonesBytes} bytes`)
  return decodeTombstones(bytes, name)
}
