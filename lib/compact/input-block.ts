// A block of the bucket as the merge reads it: front to back, a bounded piece ahead, never a whole file.
// Specification: lib/tsdb for the formats.
// Memory is one window a file and a cache of the index's tables: close() must be called.
import { openBucketBlock } from '../blocks/bucket-block.ts'
import { readBucketTombstones } from '../blocks/bucket-tombstones.ts'
import type { BlockMeta } from '../blocks/meta.ts'
import { ForwardWindow } from '../bytes/forward-window.ts'
import { highWord } from '../bytes/varint.ts'
import type { ReadableBucket } from '../objstore/bucket.ts'
import { ChunkReader } from '../tsdb/chunk-reader.ts'
import type { ChunkRun } from '../tsdb/chunk-run.ts'
import { IndexReader, type IndexReaderOptions } from '../tsdb/index-reader.ts'
import type { SeriesRecord } from '../tsdb/series-entry.ts'
import type { Tombstones } from '../tsdb/tombstones.ts'

export interface InputBlock {
  readonly meta: BlockMeta
  readonly index: IndexReader
  readonly chunks: ChunkReader
  readonly tombstones: Tombstones
  /**
   * Finds the chunks of a series, at least one, as a run in the window, their checksums not verified; false where they are none, or
   * not as they should be: chunks.read() tells. A promise only where the window must move.
   */
  findRun(record: SeriesRecord, into: ChunkRun, signal: AbortSignal): boolean | Promise<boolean>
  /** Frees the memory of chunks that have been read: their bytes must not be used any more. */
  release(): void
  /** Closes the file that large tables of the index were copied to, and frees what was read of chunks. */
  close(): void
}

export interface InputBlockOptions extends IndexReaderOptions {
  /** What is read at a time of a segment, and as much ahead; a quarter of it of the index, which is smaller. */
  readonly windowBytes?: number
}

const defaultWindowBytes = 2 * 1024 * 1024
const leastWindowBytes = 256 * 1024
/** Of all blocks that are read side by side. */
const windowsBytes = 4 * 1024 * 1024
/** Few chunks are larger: those of histograms with many buckets. */
const likelyChunkBytes = 16 * 1024

/** For each of so many blocks that are read side by side: small enough for memory, and long enough for the next one to come meanwhile. */
export function windowBytesOf(blocks: number): number {
  return Math.max(leastWindowBytes, Math.min(defaultWindowBytes, Math.floor(windowsBytes / blocks)))
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
  const { windowBytes = defaultWindowBytes } = options
  const { index: indexBytes, segments } = await openBucketBlock(bucket, meta, signal)
  const windowOptions = { windowBytes, releasable: true, readsAhead: true }
  const windows = segments.map((segment) => new ForwardWindow(segment, windowOptions))
  const chunks = await ChunkReader.over(windows, signal, { copyable: true, headers: segments })
  const tombstones = await readBucketTombstones(bucket, meta, signal)
  const release = () => {
    for (const window of windows) window.release()
  }
  const index = await IndexReader.open(
    new ForwardWindow(indexBytes, { windowBytes: Math.ceil(windowBytes / 4) }),
    signal,
    options,
  )
  let segment = 0
  const findRun: InputBlock['findRun'] = ({ chunkRefs, chunkCount }, into, signal) => {
    const number = Math.floor(chunkRefs[0]! / highWord)
    const window = windows[number]
    if (window === undefined) return false
    for (; segment < number; segment++) windows[segment]!.close()
    const outcome = into.find(window.atHand, chunkRefs, chunkCount)
    return outcome === 'cut' ? moveAndFind(window, { chunkRefs, chunkCount, into }, signal) : outcome === 'found'
  }
  const close = () => {
    index.close()
    for (const window of windows) window.close()
  }
  return { meta, index, chunks, tombstones, findRun, release, close }
}

async function moveAndFind(
  window: ForwardWindow,
  { chunkRefs, chunkCount, into }: Pick<SeriesRecord, 'chunkRefs' | 'chunkCount'> & { readonly into: ChunkRun },
  signal: AbortSignal,
): Promise<boolean> {
  const offset = chunkRefs[0]! % highWord
  const likelyBytes = chunkRefs[chunkCount - 1]! - chunkRefs[0]! + likelyChunkBytes
  // A run that is larger than the window, or ends behind the segment.
  if (offset === window.atHand.start || offset >= window.sizeBytes) return false
  await window.moveTo(offset, likelyBytes, signal)
  return into.find(window.atHand, chunkRefs, chunkCount) === 'found'
}
