// The files of a block in a bucket, to be read by position.
// Sizes come from meta.json where it tells them, else from the bucket.
// Owns nothing: the bucket stays the caller's.
import type { RandomAccess } from '../bytes/random-access.ts'
import type { ReadableBucket } from '../objstore/bucket.ts'
import { bucketRandomAccess } from '../objstore/random-access.ts'
import { type BlockMeta, chunksFolderName, indexFileName } from './meta.ts'

export interface BucketBlock {
  readonly meta: BlockMeta
  readonly index: RandomAccess
  /** In order: the first one holds the chunks of segment 0. */
  readonly segments: readonly RandomAccess[]
}

/** The block's index and chunk segments; where meta.json names no segments the bucket is asked. */
export async function openBucketBlock(
  bucket: ReadableBucket,
  meta: BlockMeta,
  signal?: AbortSignal,
): Promise<BucketBlock> {
  const sizes = new Map(meta.thanos.files.map((file) => [file.relPath, file.sizeBytes]))
  const names = await segmentPaths(bucket, meta, signal)
  const open = (relPath: string) => {
    const sizeBytes = sizes.get(relPath)
    return bucketRandomAccess(bucket, `${meta.ulid}/${relPath}`, {
      ...(sizeBytes !== undefined && { sizeBytes }),
      ...(signal && { signal }),
    })
  }
  const [index, ...segments] = await Promise.all([indexFileName, ...names].map(open))
  return { meta, index: index!, segments }
}

async function segmentPaths(
  bucket: ReadableBucket,
  meta: BlockMeta,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const folder = `${chunksFolderName}/`
  const { files, segmentFiles } = meta.thanos
  const named = files.map((file) => file.relPath).filter((relPath) => relPath.startsWith(folder))
  if (named.length > 0) return named.sort()
  if (segmentFiles.length > 0) return segmentFiles.map((name) => folder + name).sort()
  const listed: string[] = []
  for await (const object of bucket.list(`${meta.ulid}/${folder}`, { ...(signal && { signal }) }))
    listed.push(object.name.slice(meta.ulid.length + 1))
  return listed.sort()
}
