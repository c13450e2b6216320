// A block of the bucket as the merge reads it: front to back, a bounded piece ahead, never a whole file.
// Specification: lib/tsdb for the formats.
// Memory is a window of the index and a cache of its tables: close() must be called. What is read of series is series-input.ts's.
import { openBucketBlock } from '../blocks/bucket-block.ts'
import { readBucketTombstones } from '../blocks/bucket-tombstones.ts'
import type { BlockMeta } from '../blocks/meta.ts'
import { ForwardWindow } from '../bytes/forward-window.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import type { ReadableBucket } from '../objstore/bucket.ts'
import { checkSegmentHeader, segmentHeaderBytes } from '../tsdb/chunk-format.ts'
import { IndexReader, type IndexReaderOptions } from '../tsdb/index-reader.ts'
import type { Tombstones } from '../tsdb/tombstones.ts'

export interface InputBlock {
  readonly meta: BlockMeta
  readonly index: IndexReader
  /** The index's bytes, and those of the segments in order: to be read front to back, `windowBytes` of a segment at a time. */
  readonly indexBytes: RandomAccess
  readonly segments: readonly RandomAccess[]
  readonly windowBytes: number
  readonly tombstones: Tombstones
  /** Closes the file that large tables of the index were copied to, and frees what was read of it. */
  close(): void
}

export interface InputBlockOptions extends IndexReaderOptions {
  /** What is read at a time of a segment, and as much ahead; less of the index, which is smaller. */
  readonly windowBytes?: number
}

/** Of a bucket that does not say otherwise: a request has a cost of its own. */
const defaultReadBytes = 2 * 1024 * 1024

/**
 * For each of so many blocks that are read side by side: small enough for memory, and long enough for the next one to come meanwhile.
 * `readBytes` is the bucket's.
 */
export function windowBytesOf(blocks: number, readBytes = defaultReadBytes): number {
  return Math.max(Math.floor(readBytes / 8), Math.min(readBytes, Math.floor((2 * readBytes) / blocks)))
}

/**
 * Opens a block's index and segments in the bucket. Large tables of the index are copied to `spoolPath`, which must be free;
 * without one they are held in memory.
 * Throws `corrupt`, `not_found` or what the bucket says.
 */
export async function openInputBlock(
  bucket: ReadableBucket,
  meta: BlockMeta,
  signal: AbortSignal,
  options: InputBlockOptions = {},
): Promise<InputBlock> {
  const { windowBytes = defaultReadBytes } = options
  const { index: indexBytes, segments } = await openBucketBlock(bucket, meta, signal)
  for (const segment of segments) checkSegmentHeader(await segment.read(0, segmentHeaderBytes, signal), segment.name)
  const tombstones = await readBucketTombstones(bucket, meta, signal)
  const window = new ForwardWindow(indexBytes, { windowBytes: Math.ceil(windowBytes / 4) })
  const index = await IndexReader.open(window, signal, options)
  const close = () => {
    index.close()
    window.close()
  }
  return { meta, index, indexBytes, segments, windowBytes, tombstones, close }
}
