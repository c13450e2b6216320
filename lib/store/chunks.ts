// Chunks of a block's segment files, read as byte ranges for a batch of series: never a whole file.
// A record's bytes are decoded by lib/tsdb, its checksum verified; what is fetched together is decided by plan.ts.
// Owns sizes (known from the index, else assumed, and read again when short) and the chunk's form on the wire.
import { type BytePlace, Cursor, corruptError } from '../bytes/cursor.ts'
import { aggregates, splitAggregates } from '../chunkenc/aggregate.ts'
import { chunkEncoding } from '../chunkenc/encoding.ts'
import { ChunkWriter } from '../kernels/chunk-writer.ts'
import { asMnemoError } from '../kit/errors.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { hashBytes } from '../storeapi/shard.ts'
import { type Aggr, type AggrChunk, aggr, type Chunk } from '../storeapi/types.ts'
import type { ChunkFields } from '../storeapi/wire-series.ts'
import { chunkRecordLength, decodeChunkRecord, maxChunkLengthBytes, segmentPlace } from '../tsdb/chunk-format.ts'
import { allOrAbort, type FetchGate } from './fetch.ts'
import { type PlanLimits, planReads } from './plan.ts'
import type { KindStats } from './read-stats.ts'
import type { ChunkPlace } from './series-entry.ts'

/**
 * Chunks of other series that lie between two wanted ones are read over up to this many bytes: with dozens of reads
 * under way at once, a further one costs about as much as these bytes do.
 */
const limits: PlanLimits = { maxGapBytes: 32 << 10, maxReadBytes: 4 << 20 }

/** Length field, encoding and checksum. */
const maxFrameBytes = maxChunkLengthBytes + 1 + 4
/** Assumed for the last chunk of a series where nothing tells more; Thanos's estimate for all. */
const defaultChunkBytes = 16 << 10
const maxEncoding = chunkEncoding.floatHistogramSt

export interface ChunkFiles {
  readonly bucket: Bucket
  readonly gate: FetchGate
  /** The object of a segment, numbered from 0. */
  readonly nameOf: (segment: number) => string
  /** The meta's index_stats.chunk_max_size, where it has one. */
  readonly chunkMaxBytes: number | undefined
}

/** Bytes to read for each chunk of a series: from its length field to its checksum, or somewhat more. */
export function plannedBytes(chunks: readonly ChunkPlace[], chunkMaxBytes: number | undefined): number[] {
  const known = Math.max(0, ...chunks.map(({ knownBytes }) => knownBytes))
  const assumed = Math.min(chunkMaxBytes ? chunkMaxBytes + maxFrameBytes : defaultChunkBytes, 2 * known || Infinity)
  return chunks.map(({ knownBytes }) => knownBytes || assumed)
}

/** Bytes between two chunks that are copied along with them. */
const maxPieceGapBytes = 64
/** More than a batch has, but for single series of huge chunks: those are written one by one. */
const maxEncodedBytes = 16 << 20

let writer: ChunkWriter | undefined

interface Wanted {
  readonly place: ChunkPlace
  readonly bytes: number
  /** Position in the answer. */
  readonly at: number
}

/** Chunks whose bytes are here. Each is decoded when it is asked for, so that the first can be sent before the last is looked at. */
export class FetchedChunks {
  readonly #places: readonly ChunkPlace[]
  readonly #cursors: Cursor[]
  /** Where each chunk's record begins in its cursor, and its length. */
  readonly #starts: Uint32Array
  readonly #lengths: Uint32Array

  constructor(places: readonly ChunkPlace[]) {
    this.#places = places
    this.#cursors = new Array<Cursor>(places.length)
    this.#starts = new Uint32Array(places.length)
    this.#lengths = new Uint32Array(places.length)
  }

  put(at: number, cursor: Cursor, start: number, length: number): void {
    this.#cursors[at] = cursor
    this.#starts[at] = start
    this.#lengths[at] = length
  }

  /**
   * The chunks from `from` on of series that have so many each as fields of their messages, checksums verified; undefined for a
   * series that has others than XOR chunks one after the other in time, or corrupt ones: decode() says more of it.
   */
  encode(from: number, counts: readonly number[]): (ChunkFields | undefined)[] {
    const to = counts.reduce((sum, count) => sum + count, from)
    let pieceBytes = 0
    for (let at = from; at < to; at++) pieceBytes += this.#lengths[at]! + maxPieceGapBytes
    if (pieceBytes > maxEncodedBytes) return counts.map(() => undefined)
    writer ??= new ChunkWriter()
    writer.start({ records: to - from, series: counts.length, pieceBytes })
    for (const count of counts) writer.addSeries(count)
    for (let at = from; at < to; ) at = this.#addPiece(writer, at, to)
    const { bytes, series } = writer.write()
    let first = from
    return series.map(({ isPlain, ...fields }, i) => {
      const last = first + counts[i]! - 1
      const minTime = this.#places[first]?.minTime ?? Infinity
      const maxTime = this.#places[last]?.maxTime ?? -Infinity
      first = last + 1
      return isPlain && counts[i]! > 0 ? { frame: bytes, minTime, maxTime, ...fields } : undefined
    })
  }

  /** Adds the chunk and those behind it that follow it in its read; returns the first that is not added. */
  #addPiece(writer: ChunkWriter, from: number, to: number): number {
    const cursor = this.#cursors[from]!
    const pieceStart = this.#starts[from]!
    let pieceEnd = pieceStart + this.#lengths[from]!
    let end = from + 1
    for (; end < to && this.#cursors[end] === cursor; end++) {
      const gap = this.#starts[end]! - pieceEnd
      if (gap < 0 || gap > maxPieceGapBytes) break
      pieceEnd = this.#starts[end]! + this.#lengths[end]!
    }
    const ptr = writer.addPiece(cursor.bytes.subarray(pieceStart, pieceEnd)) - pieceStart
    for (let at = from; at < end; at++) {
      const { minTime, maxTime } = this.#places[at]!
      writer.addRecord(ptr + this.#starts[at]!, this.#lengths[at]!, minTime, maxTime)
    }
    return end
  }

  /** Chunks [from, to) in the form of the wire, their checksums verified. Throws `corrupt`. */
  decode(from: number, to: number, wanted: readonly Aggr[]): AggrChunk[] {
    const out: AggrChunk[] = []
    for (let at = from; at < to; at++) {
      const cursor = this.#cursors[at]!
      cursor.position = this.#starts[at]!
      const { minTime, maxTime } = this.#places[at]!
      const { encoding, data } = decodeChunkRecord(cursor)
      const where = { ...cursor.place, offset: cursor.place.offset + this.#starts[at]! }
      if (encoding === chunkEncoding.aggregate)
        out.push({ minTime, maxTime, ...wireAggregates(data, { wanted, where }) })
      else out.push({ minTime, maxTime, raw: wireChunk(encoding, data, where) })
    }
    return out
  }
}

/**
 * Reads the chunks at `places`, whose sizes are `bytes` (plannedBytes); they keep their order.
 * Throws `corrupt` where one is longer than its file, and `not_found` where a segment file is gone.
 */
export async function fetchChunks(
  files: ChunkFiles,
  request: { places: readonly ChunkPlace[]; bytes: readonly number[] },
  stats: KindStats,
  signal: AbortSignal,
): Promise<FetchedChunks> {
  const fetched = new FetchedChunks(request.places)
  const wanted = request.places.map((place, at) => ({ place, bytes: request.bytes[at]!, at }))
  const short = await readRound(files, wanted, { fetched, stats }, signal)
  if (short.length > 0) {
    stats.refetches += short.length
    await readRound(files, short, { fetched, stats, isLast: true }, signal)
  }
  return fetched
}

interface Round {
  readonly fetched: FetchedChunks
  readonly stats: KindStats
  /** Sizes are exact now: a chunk that is still cut is corrupt. */
  readonly isLast?: boolean
}

/** Reads what is wanted; gives back, with its true size, what was cut. */
async function readRound(files: ChunkFiles, wanted: Wanted[], round: Round, signal: AbortSignal): Promise<Wanted[]> {
  const tasks: ((signal: AbortSignal) => Promise<Wanted[]>)[] = []
  for (const [segment, list] of Map.groupBy(wanted, ({ place }) => place.segment)) {
    const name = files.nameOf(segment)
    list.sort((a, b) => a.place.offset - b.place.offset)
    const sizes = boundedByNext(list)
    for (const read of planReads(
      list.map(({ place }) => place.offset),
      sizes,
      limits,
    )) {
      tasks.push(async (signal) => {
        const { offset, length } = read
        round.stats.reserve(length)
        const bytes = await files.gate.run(length, signal, () => files.bucket.getRange(name, offset, length, signal))
        round.stats.reads++
        round.stats.fetched += read.end - read.first
        round.stats.fetchedBytes += bytes.length
        return takeRecords({ name, offset, bytes }, list.slice(read.first, read.end), round)
      })
    }
  }
  return (await allOrAbort(signal, tasks)).flat()
}

/** An assumed size need not reach beyond the next wanted chunk: chunks do not overlap. */
function boundedByNext(list: readonly Wanted[]): number[] {
  return list.map(({ place, bytes }, i) => {
    const next = list[i + 1]?.place.offset
    return next === undefined || next <= place.offset ? bytes : Math.min(bytes, next - place.offset)
  })
}

/** Finds the wanted records in what was read; gives back, with its true size, what was cut. */
function takeRecords(
  read: { name: string; offset: number; bytes: Uint8Array },
  wanted: readonly Wanted[],
  { fetched, stats, isLast }: Round,
): Wanted[] {
  const short: Wanted[] = []
  const cursor = new Cursor(read.bytes, segmentPlace(read.name, read.offset))
  // The read stays until its chunks are sent; where most of it is gaps, the chunks are copied out.
  const needed = wanted.reduce((sum, { bytes }) => sum + bytes, 0)
  const isSparse = needed * 2 < read.bytes.length
  for (const { place, at } of wanted) {
    const start = place.offset - read.offset
    cursor.position = start
    // Where even the length field is cut, as many bytes as are assumed at first are asked for.
    const size = cursor.remaining < maxChunkLengthBytes ? defaultChunkBytes : chunkRecordLength(cursor)
    if (size > cursor.remaining) {
      if (isLast) cursor.fail(`got ${Math.max(0, cursor.remaining)} bytes, want a chunk of ${size}`)
      short.push({ place, bytes: size, at })
      continue
    }
    if (isSparse) {
      const record = read.bytes.slice(start, start + size)
      fetched.put(at, new Cursor(record, segmentPlace(read.name, place.offset)), 0, size)
    } else fetched.put(at, cursor, start, size)
    stats.touched++
    stats.touchedBytes += size
  }
  return short
}

type DataFields = Omit<AggrChunk, 'minTime' | 'maxTime'>

interface WireContext {
  readonly wanted: readonly Aggr[]
  readonly where: BytePlace
}

/** Those of the wanted aggregates that the chunk has: native histograms have neither min nor max. */
function wireAggregates(data: Uint8Array, { wanted, where }: WireContext): DataFields {
  const fields: { -readonly [K in keyof DataFields]: DataFields[K] } = {}
  try {
    const parts = splitAggregates(data)
    for (const name of aggregates) {
      const part = parts[name]
      if (part && wanted.includes(aggr[name])) fields[name] = wireChunk(part.encoding, part.data, where)
    }
  } catch (cause) {
    throw corruptError(where, 0, 'got an aggregate chunk that is not one', { cause: asMnemoError(cause) })
  }
  return fields
}

/** StoreAPI counts encodings from 0: one less than the file. */
function wireChunk(encoding: number, data: Uint8Array, where: BytePlace): Chunk {
  if (encoding < 1 || encoding > maxEncoding) throw corruptError(where, 0, `got chunk encoding ${encoding}`)
  return { type: encoding - 1, data, hash: hashBytes(data) }
}
