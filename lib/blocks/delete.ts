// Takes a block out of a bucket: meta.json first, the rest, the deletion mark last.
// Specification: Thanos pkg/block/block.go (Delete).
// Owns the order: a block that is deleted half is partial, so that nobody reads it and its mark still says why.
import { forEachBounded } from '../kit/bounded.ts'
import { MnemoError } from '../kit/errors.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { isUlid } from './block-name.ts'
import { markFileNames } from './markers.ts'
import { chunksFolderName, metaFileName } from './meta.ts'

const deletesInFlight = 16

/** Deletes a block, whole or partial. What fails leaves a partial block, and can be done again. */
export async function deleteBlock(bucket: Bucket, ulid: string, signal?: AbortSignal): Promise<void> {
  if (!isUlid(ulid)) throw new MnemoError('bad_data', `cannot delete a block: got ${JSON.stringify(ulid)}, want a ULID`)
  const metaName = `${ulid}/${metaFileName}`
  const markName = `${ulid}/${markFileNames.deletion}`
  await bucket.delete(metaName, signal)
  const names: string[] = []
  for await (const object of bucket.list(`${ulid}/`, { recursive: true, ...(signal && { signal }) }))
    if (object.name !== metaName && object.name !== markName) names.push(object.name)
  await forEachBounded(names, deletesInFlight, (name) => bucket.delete(name, signal))
  await bucket.delete(markName, signal)
  // Some servers keep an object for a folder.
  await bucket.delete(`${ulid}/${chunksFolderName}/`, signal)
  await bucket.delete(`${ulid}/`, signal)
}
