// The two tables of an index as bytes at hand: in memory, or, where they are large, copied into a local file with a page cache.
// Owns that file: it has no name any more once it is open, so that it goes with the process, however that ends.
import { rm } from 'node:fs/promises'
import { corruptError } from '../bytes/cursor.ts'
import { FileWriter } from '../bytes/file-writer.ts'
import { freeBytes } from '../bytes/free-bytes.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import { readAhead } from '../bytes/read-ahead.ts'
import { memoryBytes, PageCache, PagedFile, type SyncBytes } from '../bytes/sync-bytes.ts'
import { maxTableBytes } from './index-format.ts'

/** Tables of fewer bytes are held in memory. */
const defaultMostInMemoryBytes = 8 * 1024 * 1024
const pageCacheBytes = 8 * 1024 * 1024

export interface TableRange {
  readonly offset: number
  readonly limit: number
}

export interface TableSource {
  /** Reads inside the ranges. */
  readonly access: RandomAccess
  /** The bytes of the range of that number; offsets are the index's. */
  at(range: number): SyncBytes
  close(): void
}

/** Reads each range once. Throws `corrupt` where one is larger than a table may be. */
export async function openTables(
  source: RandomAccess,
  options: { readonly ranges: readonly TableRange[]; readonly spoolPath?: string; readonly mostInMemoryBytes?: number },
  signal?: AbortSignal,
): Promise<TableSource> {
  const { ranges, spoolPath, mostInMemoryBytes = defaultMostInMemoryBytes } = options
  for (const { offset, limit } of ranges)
    if (limit - offset > maxTableBytes) {
      const place = { file: source.name, section: 'tables', offset }
      throw corruptError(place, 0, `got ${limit - offset} bytes, want at most ${maxTableBytes}`)
    }
  const total = ranges.reduce((sum, { offset, limit }) => sum + limit - offset, 0)
  const held =
    spoolPath === undefined || total <= mostInMemoryBytes
      ? await holdInMemory(source, ranges, signal)
      : await copyToFile(source, { ranges, path: spoolPath }, signal)
  const at = (offset: number): SyncBytes => held.tables[ranges.findLastIndex((range) => range.offset <= offset)]!
  const access: RandomAccess = {
    name: source.name,
    sizeBytes: source.sizeBytes,
    // What a page cache lends is good until it is asked again, and a scan looks back.
    read: async (offset, count) => {
      const bytes = at(offset).borrowBytes(offset, count)
      return held.isMemory ? bytes : new Uint8Array(bytes)
    },
  }
  return { access, at: (range) => held.tables[range]!, close: held.close }
}

interface Held {
  readonly tables: readonly SyncBytes[]
  readonly isMemory: boolean
  close(): void
}

async function holdInMemory(
  source: RandomAccess,
  ranges: readonly TableRange[],
  signal: AbortSignal | undefined,
): Promise<Held> {
  const held = await Promise.all(ranges.map(({ offset, limit }) => source.read(offset, limit - offset, signal)))
  const tables = held.map((bytes, i) => memoryBytes(source.name, bytes, ranges[i]!.offset))
  return { tables, isMemory: true, close: () => held.forEach(freeBytes) }
}

async function copyToFile(
  source: RandomAccess,
  { ranges, path }: { readonly ranges: readonly TableRange[]; readonly path: string },
  signal: AbortSignal | undefined,
): Promise<Held> {
  const file = await FileWriter.create(path)
  const starts: number[] = []
  try {
    for (const { offset, limit } of ranges) {
      starts.push(file.position)
      for await (const piece of readAhead(source, { start: offset, end: limit }, signal)) await file.append(piece)
    }
    await file.finish()
    const paged = new PagedFile(path, new PageCache(pageCacheBytes)).open()
    const tables = ranges.map(
      ({ offset }, i): SyncBytes => ({
        name: source.name,
        borrowBytes: (at, length) => paged.borrowBytes(at - offset + starts[i]!, length),
      }),
    )
    return { tables, isMemory: false, close: () => paged.close() }
  } catch (error) {
    await file.abort().catch(() => {}) // it may be closed already, and what went wrong is told
    throw error
  } finally {
    await rm(path, { force: true })
  }
}
