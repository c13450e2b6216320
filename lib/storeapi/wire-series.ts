// A series as it stands in frames: its chunks are fields of Series messages, ready to be decoded by a kernel or sent on as they are.
// Only plain series are so (lib/kernels/assembly/wire-read.ts): XOR chunks one after the other in time, their hashes verified.
// Owns the reading of the chunks as objects, for those who want them so.
import type { SampleColumns } from '../kernels/kernels.ts'
import type { Labels } from '../labels/labels.ts'
import { readAggrChunks } from './chunk-fields.ts'
import type { AggrChunk, StoreSeries } from './types.ts'

/** AggrChunk fields back to back, one at least: bytes [start, end) of a frame. */
export interface FieldRange {
  readonly frame: Uint8Array
  readonly start: number
  readonly end: number
}

/** What is known of the fields besides. Times are those of the first and the last chunk. */
export interface ChunkFields extends FieldRange {
  readonly minTime: number
  readonly maxTime: number
  /** Of the chunks' data. */
  readonly dataBytes: number
  /** As the chunks' headers tell. */
  readonly samples: number
}

export class WireSeries implements StoreSeries {
  readonly labels: Labels
  /** In order of time; they do not overlap. */
  readonly parts: readonly ChunkFields[]
  #chunks: AggrChunk[] | undefined

  constructor(labels: Labels, parts: readonly ChunkFields[]) {
    this.labels = labels
    this.parts = parts
  }

  /** Each read anew into an object; data are views on the frames. */
  get chunks(): AggrChunk[] {
    this.#chunks ??= this.parts.flatMap(({ frame, start, end }) => readAggrChunks(frame, start, end))
    return this.#chunks
  }

  /** Of the chunks' data. */
  get dataBytes(): number {
    let sum = 0
    for (const part of this.parts) sum += part.dataBytes
    return sum
  }

  /** As the chunks' headers tell. */
  get samples(): number {
    let sum = 0
    for (const part of this.parts) sum += part.samples
    return sum
  }

  /**
   * Appends the samples in the range (ms, both inclusive) of chunks that touch it; false, with nothing appended, where a chunk is
   * corrupt: whoever decodes `chunks` learns why.
   */
  decode(range: { readonly minTime: number; readonly maxTime: number }, into: SampleColumns): boolean {
    const { minTime, maxTime } = range
    const start = into.length
    for (const part of this.parts) {
      const fields = part.frame.subarray(part.start, part.end)
      if (into.kernels.decodePlain(fields, { minTime, maxTime, samples: part.samples, start }, into)) continue
      into.length = start
      return false
    }
    return true
  }
}

/** A series to be written: fields that stand somewhere already. */
export interface SeriesFields {
  readonly labels: Labels
  readonly parts: readonly FieldRange[]
}

/** Cuts the fields, between chunks, into groups of at most `maxBytes` (or one chunk) each. */
export function splitFields(parts: readonly FieldRange[], maxBytes: number): FieldRange[][] {
  const groups: FieldRange[][] = [[]]
  let room = maxBytes
  for (const { frame, start, end } of parts) {
    let from = start
    for (let at = start; at < end; ) {
      const next = fieldEnd(frame, at)
      if (next - at > room && room < maxBytes) {
        if (at > from) groups.at(-1)!.push({ frame, start: from, end: at })
        groups.push([])
        from = at
        room = maxBytes
      }
      room -= next - at
      at = next
    }
    if (end > from) groups.at(-1)!.push({ frame, start: from, end })
  }
  return groups
}

/** Where the field at `at` ends: a tag of one byte and a length. */
function fieldEnd(frame: Uint8Array, at: number): number {
  let position = at + 1
  let length = 0
  for (let unit = 1; ; unit *= 128) {
    const byte = frame[position++]!
    length += (byte & 0x7f) * unit
    if (byte < 0x80) return position + length
  }
}

/** The series under other labels. */
export function relabelled(series: StoreSeries, labels: Labels): StoreSeries {
  return series instanceof WireSeries ? new WireSeries(labels, series.parts) : { labels, chunks: series.chunks }
}

function followInTime(parts: readonly ChunkFields[]): boolean {
  for (let i = 1; i < parts.length; i++) if (parts[i]!.minTime <= parts[i - 1]!.maxTime) return false
  return true
}

/** Series of equal labels from several places as one wire series; undefined where they overlap in time or one of them is none. */
export function joinWireSeries(series: readonly StoreSeries[]): WireSeries | undefined {
  const [first] = series
  if (series.length === 1) return first instanceof WireSeries ? first : undefined
  const parts: ChunkFields[] = []
  for (const one of series) {
    if (!(one instanceof WireSeries)) return undefined
    parts.push(...one.parts)
  }
  if (!followInTime(parts)) {
    parts.sort((a, b) => a.minTime - b.minTime)
    if (!followInTime(parts)) return undefined
  }
  return new WireSeries(first!.labels, parts)
}
