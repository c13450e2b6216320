// A block of the bucket as the merge reads it: front to back, a bounded piece ahead, never a whole file.
// Specification: lib/tsdb for the formats.
// Memory is one window a file and a cache of the index's tables: close() must be called. What a window held goes when the caller says so:
// garbage of this size would wait for a collection that comes late.
import { openBucketBlock } from '../blocks/bucket-block.ts'
import { readBucketTombstones } from '../blocks/bucket-tombstones.ts'
import type { BlockMeta } from '../blocks/meta.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { ChunkReader } from '../tsdb/chunk-reader.ts'
import { IndexReader, type IndexReaderOptions } from '../tsdb/index-reader.ts'
import type { Tombstones } from '../tsdb/tombstones.ts'

export interface InputBlock {
  readonly meta: BlockMeta
  readonly index: IndexReader
  readonly chunks: ChunkReader
  readonly tombstones: Tombstones
  /** Frees the memory of chunks that have been read: their bytes must not be used any more. */
  release(): void
  /** Closes the file that large tables of the index were copied to. */
  close(): void
}

const windowBytes = 2 * 1024 * 1024

/**
 * Opens a block's index and segments in the bucket. Large tables of the index are copied to `spoolPath`, which must be free;
 * without one they are held in memory.
 * Throws `corrupt`, `not_found` or what the bucket says.
 */
export async function openInputBlock(
  bucket: Bucket,
  meta: BlockMeta,
  signal: AbortSignal,
  options: IndexReaderOptions = {},
): Promise<InputBlock> {
  const { index: indexBytes, segments } = await openBucketBlock(bucket, meta, signal)
  const windows = segments.map((segment) => forwardWindow(segment, { releasable: true }))
  const chunks = await ChunkReader.over(windows, signal, { copyable: true })
  const tombstones = await readBucketTombstones(bucket, meta, signal)
  const release = () => {
    for (const window of windows) window.release()
  }
  const index = await IndexReader.open(forwardWindow(indexBytes), signal, options)
  return { meta, index, chunks, tombstones, release, close: () => index.close() }
}

export interface ForwardWindow extends RandomAccess {
  /** Frees what reads have moved past. */
  release(): void
}

/**
 * Serves reads that move forward from a window of the source; any other read goes through. Reads are views of the window.
 * A `releasable` one keeps the windows that it has moved past until release() frees them, ahead of the garbage collector.
 */
export function forwardWindow(source: RandomAccess, options?: { readonly releasable?: boolean }): ForwardWindow {
  let start = 0
  let window: Uint8Array = new Uint8Array()
  const past: Uint8Array[] = []
  return {
    name: source.name,
    sizeBytes: source.sizeBytes,
    async read(offset, length, signal) {
      if (offset < start || offset + length > start + window.length) {
        if (length >= windowBytes) return source.read(offset, length, signal)
        const next = await source.read(
          offset,
          Math.max(length, Math.min(windowBytes, source.sizeBytes - offset)),
          signal,
        )
        if (options?.releasable) past.push(window)
        window = next
        start = offset
      }
      return window.subarray(offset - start, offset - start + length)
    },
    release() {
      for (const { buffer, byteLength } of past.splice(0))
        if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
    },
  }
}
