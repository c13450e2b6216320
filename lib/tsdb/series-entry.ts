// A series' entry in the index: its labels as symbol references, and its chunks' times and references.
// Specification: Prometheus tsdb/docs/format/index.md, "Series".
// Owns the entry's bytes, read and written; pure functions, so that they serve a file and a fetched range alike.
import type { Cursor } from '../bytes/cursor.ts'
import type { EncodeBuffer } from '../bytes/encode-buffer.ts'
import type { Labels } from '../labels/labels.ts'
import { maxSeriesEntryBytes } from './index-format.ts'

// ┌──────────────────────────────────────────────────────────────────────────┐
// │ length uvarint (of what follows, without the checksum)                   │
// │ #labels uvarint | (name symbol uvarint, value symbol uvarint) …          │
// │ #chunks uvarint | mint varint, maxt − mint uvarint, ref uvarint          │
// │                 | (mint − previous maxt uvarint, maxt − mint uvarint,    │
// │                 |  ref − previous ref varint) …                          │
// │ crc32c u32                                                               │
// └──────────────────────────────────────────────────────────────────────────┘

/** A chunk of a series: times are inclusive, in ms; `ref` is segment × 2^32 + offset (chunk-format.ts). */
export interface ChunkMeta {
  readonly minTime: number
  readonly maxTime: number
  readonly ref: number
}

export interface SeriesEntry {
  readonly labels: Labels
  readonly chunks: readonly ChunkMeta[]
}

/** A decoded entry in typed arrays, to be reused from entry to entry. */
export class SeriesRecord {
  labelCount = 0
  /** Symbol references, name and value in turn: 2 × labelCount. */
  labelRefs = new Uint32Array(32)
  chunkCount = 0
  minTimes = new Float64Array(16)
  maxTimes = new Float64Array(16)
  chunkRefs = new Float64Array(16)

  /** Sets the counts; what is in the arrays is lost where they grow. */
  reserve(labelCount: number, chunkCount: number): void {
    this.labelCount = labelCount
    this.chunkCount = chunkCount
    if (this.labelRefs.length < labelCount * 2) this.labelRefs = new Uint32Array(labelCount * 4)
    if (this.minTimes.length >= chunkCount) return
    this.minTimes = new Float64Array(chunkCount * 2)
    this.maxTimes = new Float64Array(chunkCount * 2)
    this.chunkRefs = new Float64Array(chunkCount * 2)
  }
}

/** A label takes at least two bytes, a chunk three. */
const minLabelBytes = 2
const minChunkBytes = 3

/** Bytes of the whole entry at the cursor, which stays there; undefined where its length field is cut. */
export function seriesEntryLength(cursor: Cursor): number | undefined {
  const start = cursor.position
  // Five bytes hold any length within the cap; with fewer left the field may be cut.
  if (cursor.remaining < 5 && !hasWholeVarint(cursor)) return undefined
  const content = cursor.uvarint32()
  if (content > maxSeriesEntryBytes)
    cursor.fail(`got a series of ${content} bytes, want at most ${maxSeriesEntryBytes}`)
  const length = cursor.position - start + content + 4
  cursor.position = start
  return length
}

function hasWholeVarint(cursor: Cursor): boolean {
  for (let at = cursor.position; at < cursor.end; at++) if (cursor.bytes[at]! < 0x80) return true
  return false
}

/** Decodes the entry at the cursor into `into`, its checksum verified, and moves the cursor behind it. */
export function decodeSeriesRecord(cursor: Cursor, into: SeriesRecord): void {
  const length = cursor.uvarint32()
  if (length > maxSeriesEntryBytes) cursor.fail(`got a series of ${length} bytes, want at most ${maxSeriesEntryBytes}`)
  cursor.checkCrc32c(length)
  const end = cursor.position + length
  readLabels(cursor, into, end)
  readChunks(cursor, into, end)
  if (cursor.position !== end)
    cursor.fail(`got an entry that ends here, want it to end ${end - cursor.position} bytes on`)
  cursor.skip(4)
}

function readLabels(cursor: Cursor, into: SeriesRecord, end: number): void {
  const count = cursor.uvarint32()
  if (count * minLabelBytes > end - cursor.position) cursor.fail(`got ${count} labels, want no more than fit the entry`)
  if (into.labelRefs.length < count * 2) into.labelRefs = new Uint32Array(count * 4)
  into.labelCount = count
  for (let i = 0; i < count * 2; i++) into.labelRefs[i] = cursor.uvarint32()
}

function readChunks(cursor: Cursor, into: SeriesRecord, end: number): void {
  const count = cursor.uvarint32()
  if (count * minChunkBytes > end - cursor.position) cursor.fail(`got ${count} chunks, want no more than fit the entry`)
  if (into.minTimes.length < count) {
    into.minTimes = new Float64Array(count * 2)
    into.maxTimes = new Float64Array(count * 2)
    into.chunkRefs = new Float64Array(count * 2)
  }
  into.chunkCount = count
  let time = 0
  let ref = 0
  for (let i = 0; i < count; i++) {
    // Old blocks have chunks out of order: their difference is negative, in two's complement.
    const minTime = i === 0 ? cursor.varint() : time + cursor.uvarintSigned()
    time = minTime + cursor.uvarint()
    ref = i === 0 ? cursor.uvarint() : ref + cursor.varint()
    if (!Number.isSafeInteger(time) || !Number.isSafeInteger(ref) || ref < 0) {
      cursor.fail(`got a chunk up to time ${time} with reference ${ref}`)
    }
    into.minTimes[i] = minTime
    into.maxTimes[i] = time
    into.chunkRefs[i] = ref
  }
}

/** The record as an object; `lookupSymbol` throws where there is no such symbol. */
export function seriesEntryOf(record: SeriesRecord, lookupSymbol: (ref: number) => string): SeriesEntry {
  const labels = new Array<string>(record.labelCount * 2)
  for (let i = 0; i < labels.length; i++) labels[i] = lookupSymbol(record.labelRefs[i]!)
  const chunks = new Array<ChunkMeta>(record.chunkCount)
  for (let i = 0; i < chunks.length; i++) {
    chunks[i] = { minTime: record.minTimes[i]!, maxTime: record.maxTimes[i]!, ref: record.chunkRefs[i]! }
  }
  return { labels, chunks }
}

/** Decodes the entry at the cursor, its checksum verified, and moves the cursor behind it. */
export function decodeSeriesEntry(cursor: Cursor, lookupSymbol: (ref: number) => string): SeriesEntry {
  const record = new SeriesRecord()
  decodeSeriesRecord(cursor, record)
  return seriesEntryOf(record, lookupSymbol)
}

/**
 * Appends the entry to `out`, length field and checksum with it; `scratch` is overwritten.
 * Chunks are in order: the caller has checked that.
 */
export function encodeSeriesRecord(record: SeriesRecord, out: EncodeBuffer, scratch: EncodeBuffer): void {
  const { labelCount, labelRefs, chunkCount, minTimes, maxTimes, chunkRefs } = record
  scratch.clear()
  scratch.uvarint(labelCount)
  for (let i = 0; i < labelCount * 2; i++) scratch.uvarint(labelRefs[i]!)
  scratch.uvarint(chunkCount)
  let time = 0
  let ref = 0
  for (let i = 0; i < chunkCount; i++) {
    if (i === 0) scratch.varint(minTimes[i]!)
    else scratch.uvarint(minTimes[i]! - time)
    scratch.uvarint(maxTimes[i]! - minTimes[i]!)
    if (i === 0) scratch.uvarint(chunkRefs[i]!)
    else scratch.varint(chunkRefs[i]! - ref)
    time = maxTimes[i]!
    ref = chunkRefs[i]!
  }
  const contentBytes = scratch.length
  scratch.crc32c()
  out.uvarint(contentBytes)
  out.append(scratch)
}

/** Makes a record of `labelRefs`, name and value in turn, and chunks. */
export function fillSeriesRecord(
  into: SeriesRecord,
  { labelRefs, chunks }: { readonly labelRefs: ArrayLike<number>; readonly chunks: readonly ChunkMeta[] },
): void {
  into.reserve(labelRefs.length / 2, chunks.length)
  into.labelRefs.set(labelRefs)
  for (let i = 0; i < chunks.length; i++) {
    const { minTime, maxTime, ref } = chunks[i]!
    into.minTimes[i] = minTime
    into.maxTimes[i] = maxTime
    into.chunkRefs[i] = ref
  }
}
