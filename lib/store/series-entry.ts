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

/** Copies so many series out of records, many into one array: an array of its own for each costs more than what is in it. */
export class IndexedSeriesCopier {
  /** Series that are still to come. */
  #left: number
  readonly #symbols = new SharedArray(Uint32Array)
  readonly #chunks = new SharedArray(Float64Array)

  constructor(count: number) {
    this.#left = count
  }

  copy(ref: number, record: SeriesRecord, entryBytes: number): IndexedSeries {
    const { labelRefs, labelCount, minTimes, maxTimes, chunkRefs, chunkCount } = record
    const symbols = this.#symbols.take(labelCount * 2, this.#left)
    for (let i = 0; i < symbols.length; i++) symbols[i] = labelRefs[i]!
    const chunks = this.#chunks.take(chunkCount * chunkStride, this.#left)
    for (let i = 0, at = 0; i < chunkCount; i++, at += chunkStride) {
      chunks[at] = minTimes[i]!
      chunks[at + 1] = maxTimes[i]!
      chunks[at + 2] = chunkRefs[i]!
    }
    this.#left--
    return { ref, symbols, chunks, entryBytes, answered: undefined }
  }
}

const sharedLength = 8192

/** An array that is given away in pieces, and followed by another one where it is used up. */
class SharedArray<T extends Uint32Array | Float64Array> {
  readonly #Type: new (
    length: number,
  ) => T
  #array: T
  #used = 0

  constructor(Type: new (length: number) => T) {
    this.#Type = Type
    this.#array = new Type(0)
  }

  /** The next piece; `count` like it are still to come, this one with them. */
  take(length: number, count: number): T {
    if (this.#used + length > this.#array.length) {
      this.#array = new this.#Type(Math.max(length, Math.min(sharedLength, length * count)))
      this.#used = 0
    }
    const start = this.#used
    this.#used += length
    return this.#array.subarray(start, this.#used) as T
  }
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
