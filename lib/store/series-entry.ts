// A series entry as Series calls need it: symbol numbers of its labels, and the places of its chunks, in arrays of numbers.
// The entry's bytes are decoded by lib/tsdb. Owns the shape that is kept from call to call, and which entries a range touches.
import type { Labels } from '../labels/labels.ts'
import type { SeriesRecord } from '../tsdb/series-entry.ts'

/** A series as its index tells of it. */
export interface IndexedSeries {
  /** Its reference in the index. */
  readonly ref: number
  /** Symbol numbers: name, value, name, value, … */
  readonly symbols: Uint32Array
  /** Of each chunk in the entry's order: min time and max time (inclusive, ms), reference. */
  readonly chunks: Float64Array
  /** Of the entry in the index. */
  readonly entryBytes: number
  /** Its labels as they were answered last: nearly all calls want the same. */
  answered: AnsweredSeries | undefined
}

export interface AnsweredSeries {
  readonly series: IndexedSeries
  /** What has been done to the labels: see block-series.ts. */
  readonly change: string
  /** As in the index, and as answered. */
  readonly own: Labels
  readonly labels: Labels
}

/** Numbers of a chunk in IndexedSeries.chunks. */
export const chunkStride = 3

/** The record's series, copied out of it. */
export function indexedSeries(ref: number, record: SeriesRecord, entryBytes: number): IndexedSeries {
  const { minTimes, maxTimes, chunkRefs, chunkCount } = record
  const chunks = new Float64Array(chunkCount * chunkStride)
  for (let i = 0, at = 0; i < chunkCount; i++, at += chunkStride) {
    chunks[at] = minTimes[i]!
    chunks[at + 1] = maxTimes[i]!
    chunks[at + 2] = chunkRefs[i]!
  }
  return { ref, symbols: record.labelRefs.slice(0, record.labelCount * 2), chunks, entryBytes, answered: undefined }
}

/** Inclusive, ms. */
export interface EntryRange {
  readonly minTime: number
  readonly maxTime: number
}

/** Whether one of the series' chunks overlaps the range. */
export function touchesRange({ chunks }: IndexedSeries, { minTime, maxTime }: EntryRange): boolean {
  for (let at = 0; at < chunks.length; at += chunkStride)
    if (chunks[at]! <= maxTime && chunks[at + 1]! >= minTime) return true
  return false
}
