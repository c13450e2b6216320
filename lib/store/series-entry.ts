// A series entry as a Series call needs it: symbol numbers of its labels, and the chunks inside the request's range.
// The entry's bytes are decoded by lib/tsdb. Owns the selection, and what the index tells of chunks' sizes.
import { chunkPosition } from '../tsdb/chunk-format.ts'
import type { SeriesRecord } from '../tsdb/series-entry.ts'

/** Where a chunk lies: segment from 0, offset in its file. Times inclusive, in ms. */
export interface ChunkPlace {
  readonly segment: number
  readonly offset: number
  readonly minTime: number
  readonly maxTime: number
  /** Bytes to the next chunk of the series, which is its size where that one follows at once; 0 where there is none. */
  readonly knownBytes: number
}

export interface SelectedSeries {
  /** The series' reference in its index. */
  readonly ref: number
  /** Symbol numbers: name, value, name, value, … */
  readonly symbols: Uint32Array
  /** The chunks that overlap the range, in the entry's order; empty where chunks are not wanted. */
  readonly chunks: readonly ChunkPlace[]
}

export interface EntryFilter {
  /** Inclusive, ms. */
  readonly minTime: number
  readonly maxTime: number
  /** Only whether there is a chunk is looked at. */
  readonly skipChunks: boolean
}

/** The record's series, copied out of it; undefined where none of its chunks overlaps the range. */
export function selectSeries(ref: number, record: SeriesRecord, filter: EntryFilter): SelectedSeries | undefined {
  const { minTimes, maxTimes, chunkRefs, chunkCount } = record
  const chunks: ChunkPlace[] = []
  let found = false
  for (let i = 0; i < chunkCount; i++) {
    const minTime = minTimes[i]!
    const maxTime = maxTimes[i]!
    if (minTime > filter.maxTime || maxTime < filter.minTime) continue
    found = true
    if (filter.skipChunks) break
    const ref = chunkRefs[i]!
    const { segment, offset } = chunkPosition(ref)
    const next = chunkPosition(i + 1 < chunkCount ? chunkRefs[i + 1]! : 0)
    const knownBytes = next.segment === segment ? Math.max(0, next.offset - offset) : 0
    chunks.push({ segment, offset, minTime, maxTime, knownBytes })
  }
  return found ? { ref, symbols: record.labelRefs.slice(0, record.labelCount * 2), chunks } : undefined
}
