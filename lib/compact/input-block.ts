// A block of the bucket as the merge reads it: front to back, a bounded piece ahead, never a whole file.
// Specification: lib/tsdb for the formats.
// Owns nothing to close; memory is one window a segment and the index's two tables.

import type { BlockMeta } from '../blocks/meta.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import { MnemoError } from '../kit/errors.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { bucketRandomAccess } from '../objstore/random-access.ts'
import { ChunkReader } from '../tsdb/chunk-reader.ts'
import { IndexReader } from '../tsdb/index-reader.ts'

export interface InputBlock {
  readonly meta: BlockMeta
  readonly index: IndexReader
  readonly chunks: ChunkReader
}

const windowBytes = 2 * 1024 * 1024

/** Opens a block's index and segments in the bucket. Throws `corrupt`, `not_found` or what the bucket says. */
export async function openInputBlock(bucket: Bucket, meta: BlockMeta, signal: AbortSignal): Promise<InputBlock> {
  const index = await IndexReader.open(await bucketRandomAccess(bucket, `${meta.ulid}/index`, { signal }), signal)
  const names = await listSegments(bucket, meta, signal)
  const segments = await Promise.all(names.map((name) => bucketRandomAccess(bucket, name, { signal })))
  return { meta, index, chunks: await ChunkReader.over(segments.map(forwardWindow), signal) }
}

async function listSegments(bucket: Bucket, { ulid, stats }: BlockMeta, signal: AbortSignal): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of bucket.list(`${ulid}/chunks`, { signal })) if (/\/\d+$/.test(name)) names.push(name)
  for (const [i, name] of names.entries()) {
    if (Number(name.slice(name.lastIndexOf('/') + 1)) !== i + 1)
      throw new MnemoError(
        'corrupt',
        `cannot read block ${ulid}: got segment ${name} as number ${i + 1}, want none missing`,
      )
  }
  if (names.length === 0 && stats.numChunks > 0)
    throw new MnemoError('corrupt', `cannot read block ${ulid}: got no segments, want chunks/000001`)
  return names
}

/** Serves reads that move forward from a window of the source; any other read goes through. */
export function forwardWindow(source: RandomAccess): RandomAccess {
  let start = 0
  let window: Uint8Array = new Uint8Array()
  return {
    name: source.name,
    sizeBytes: source.sizeBytes,
    async read(offset, length, signal) {
      if (offset < start || offset + length > start + window.length) {
        if (length >= windowBytes) return source.read(offset, length, signal)
        window = await source.read(offset, Math.max(length, Math.min(windowBytes, source.sizeBytes - offset)), signal)
        start = offset
      }
      return window.subarray(offset - start, offset - start + length)
    },
  }
}
