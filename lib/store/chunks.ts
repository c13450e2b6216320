// Chunks of a block's segment files, read as byte ranges for a batch of series: never a whole file.
// A record's bytes are decoded by lib/tsdb, its checksum verified; what is fetched together is decided by plan.ts.
// Owns what becomes of a chunk that is longer than was planned (it is read again), and the chunk's form on the wire.
import { type BytePlace, Cursor, corruptError } from '../bytes/cursor.ts'
import { aggregates, splitAggregates } from '../chunkenc/aggregate.ts'
import { chunkEncoding } from '../chunkenc/encoding.ts'
import { ChunkWriter } from '../kernels/chunk-writer.ts'
import { xxhash64 } from '../kernels/xxhash.ts'
import { asMnemoError } from '../kit/errors.ts'
import type { Gate } from '../kit/gate.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { type Aggr, type AggrChunk, aggr, type Chunk } from '../storeapi/types.ts'
import type { ChunkFields } from '../storeapi/wire-series.ts'
import { chunkRecordLength, decodeChunkRecord, maxChunkLengthBytes, segmentPlace } from '../tsdb/chunk-format.ts'
import { type ChunkPlaces, defaultChunkBytes } from './chunk-places.ts'
import { allOrAbort } from './fetch.ts'
import { type PlanLimits, planFurtherReads } from './plan.ts'
import type { KindStats } from './read-stats.ts'

/** Chunks of other series that lie between two wanted ones are read over up to so many bytes, by a call that needs few reads. */
const limits: PlanLimits = { maxGapBytes: 32 << 10, maxReadBytes: 4 << 20 }

const maxEncoding = chunkEncoding.floatHistogramSt

export interface ChunkFiles {
  readonly bucket: Bucket
  readonly gate: Gate
  /** The object of a segment, numbered from 0. */
  readonly nameOf: (segment: number) => string
  /** The meta's index_stats.chunk_max_size, where it has one. */
  readonly chunkMaxBytes: number | undefined
}

/** Bytes between two chunks that are copied along with them. */
const maxPieceGapBytes = 64
/** More than a batch has, but for single series of huge chunks: those are written one by one. */
const maxEncodedBytes = 16 << 20

let writer: ChunkWriter | undefined

/** Chunks whose bytes are here. Each is decoded when it is asked for, so that the first can be sent before the last is looked at. */
export class FetchedChunks {
  readonly places: ChunkPlaces
  readonly #nameOf: ChunkFiles['nameOf']
  /** Where each chunk's record lies. */
  readonly #bytes: Uint8Array[]
  readonly #starts: Uint32Array
  readonly #lengths: Uint32Array

  constructor(places: ChunkPlaces, nameOf: ChunkFiles['nameOf']) {
    this.places = places
    this.#nameOf = nameOf
    this.#bytes = new Array<Uint8Array>(places.length)
    this.#starts = new Uint32Array(places.length)
    this.#lengths = new Uint32Array(places.length)
  }

  put(at: number, bytes: Uint8Array, start: number, length: number): void {
    this.#bytes[at] = bytes
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
    const frame = writer.write()
    let first = from
    let start = 0
    return counts.map((count, i) => {
      const { end, dataBytes, samples, isPlain } = writer!.written(i)
      const fields =
        isPlain && count > 0 ? { frame, start, end, dataBytes, samples, ...this.#span(first, count) } : undefined
      first += count
      start = end
      return fields
    })
  }

  #span(first: number, count: number): { minTime: number; maxTime: number } {
    return { minTime: this.places.minTimes[first]!, maxTime: this.places.maxTimes[first + count - 1]! }
  }

  /** Adds the chunk and those behind it that follow it in memory; returns the first that is not added. */
  #addPiece(writer: ChunkWriter, from: number, to: number): number {
    const bytes = this.#bytes[from]!
    const pieceStart = this.#starts[from]!
    let pieceEnd = pieceStart + this.#lengths[from]!
    let end = from + 1
    for (; end < to && this.#bytes[end] === bytes; end++) {
      const gap = this.#starts[end]! - pieceEnd
      if (gap < 0 || gap > maxPieceGapBytes) break
      pieceEnd = this.#starts[end]! + this.#lengths[end]!
    }
    const ptr = writer.addPiece(bytes.subarray(pieceStart, pieceEnd)) - pieceStart
    const { minTimes, maxTimes } = this.places
    for (let at = from; at < end; at++)
      writer.addRecord(ptr + this.#starts[at]!, this.#lengths[at]!, minTimes[at]!, maxTimes[at]!)
    return end
  }

  /** Gives the memory of what was read back. No chunk is asked for any more. */
  free(): void {
    for (const bytes of new Set(this.#bytes)) giveBack(bytes)
  }

  /** Chunks [from, to) in the form of the wire, their checksums verified. Throws `corrupt`. */
  decode(from: number, to: number, wanted: readonly Aggr[]): AggrChunk[] {
    const out: AggrChunk[] = []
    for (let at = from; at < to; at++) {
      const { segments, offsets, minTimes, maxTimes } = this.places
      const where = segmentPlace(this.#nameOf(segments[at]!), offsets[at]!)
      const start = this.#starts[at]!
      const record = this.#bytes[at]!.subarray(start, start + this.#lengths[at]!)
      const [minTime, maxTime] = [minTimes[at]!, maxTimes[at]!]
      const { encoding, data } = decodeChunkRecord(new Cursor(record, where))
      if (encoding === chunkEncoding.aggregate)
        out.push({ minTime, maxTime, ...wireAggregates(data, { wanted, where }) })
      else out.push({ minTime, maxTime, raw: wireChunk(encoding, data, where) })
    }
    return out
  }
}

/**
 * Reads the chunks at `places`; they keep their order.
 * Throws `corrupt` where one is longer than its file, and `not_found` where a segment file is gone.
 */
export async function fetchChunks(
  files: ChunkFiles,
  places: ChunkPlaces,
  stats: KindStats,
  signal: AbortSignal,
): Promise<FetchedChunks> {
  const fetched = new FetchedChunks(places, files.nameOf)
  const sizes = places.plannedBytes
  const short = await readRound(files, inOrder(places), { fetched, stats, sizes, isLast: false }, signal)
  if (short.length > 0) {
    stats.refetches += short.length
    const round = { fetched, stats, sizes: sizes.slice(), isLast: true }
    for (const { at, bytes } of short) round.sizes[at] = bytes
    const cut = new Set(short.map(({ at }) => at))
    const again = inOrder(places).filter((at) => cut.has(at))
    await readRound(files, again, round, signal)
  }
  return fetched
}

interface Round {
  readonly fetched: FetchedChunks
  readonly stats: KindStats
  /** To read for each chunk. */
  readonly sizes: Uint32Array
  /** Sizes are exact now: a chunk that is still cut is corrupt. */
  readonly isLast: boolean
}

/** A chunk that was cut, with its true size. */
interface Short {
  readonly at: number
  readonly bytes: number
}

/** The chunks' numbers by where they lie. */
function inOrder({ length, segments, offsets }: ChunkPlaces): Uint32Array {
  const order = new Uint32Array(length)
  let isSorted = true
  for (let i = 0; i < length; i++) {
    order[i] = i
    if (
      i > 0 &&
      (segments[i]! < segments[i - 1]! || (segments[i] === segments[i - 1] && offsets[i]! < offsets[i - 1]!))
    )
      isSorted = false
  }
  return isSorted ? order : order.sort((a, b) => segments[a]! - segments[b]! || offsets[a]! - offsets[b]!)
}

/** Reads the chunks of these numbers, by where they lie; gives back those that were cut. */
async function readRound(files: ChunkFiles, order: Uint32Array, round: Round, signal: AbortSignal): Promise<Short[]> {
  const { places } = round.fetched
  const tasks: ((signal: AbortSignal) => Promise<Short[]>)[] = []
  for (let from = 0, to = 0; from < order.length; from = to) {
    const segment = places.segments[order[from]!]!
    while (to < order.length && places.segments[order[to]!] === segment) to++
    const list = order.subarray(from, to)
    const name = files.nameOf(segment)
    const offsets = pick(places.offsets, list)
    const lengths = boundedByNext(list, offsets, round.sizes)
    const reads = planFurtherReads(offsets, lengths, limits, round.stats.reads)
    round.stats.reads += reads.length
    for (const read of reads) {
      tasks.push(async (signal) => {
        const { offset, length } = read
        round.stats.reserve(length)
        const bytes = await files.gate.run(length, signal, () => files.bucket.getRange(name, offset, length, signal))
        round.stats.fetched += read.end - read.first
        round.stats.fetchedBytes += bytes.length
        return takeRecords({ name, offset, bytes }, list.subarray(read.first, read.end), round)
      })
    }
  }
  return (await allOrAbort(signal, tasks)).flat()
}

/** An assumed size need not reach beyond the next wanted chunk: chunks do not overlap. */
function boundedByNext(list: Uint32Array, offsets: Uint32Array, sizes: Uint32Array): Uint32Array {
  const bounded = pick(sizes, list)
  for (let i = 0; i + 1 < list.length; i++) {
    const room = offsets[i + 1]! - offsets[i]!
    if (room > 0 && room < bounded[i]!) bounded[i] = room
  }
  return bounded
}

function pick(values: Uint32Array, numbers: Uint32Array): Uint32Array {
  const out = new Uint32Array(numbers.length)
  for (let i = 0; i < out.length; i++) out[i] = values[numbers[i]!]!
  return out
}

/** Finds the wanted records in what was read; gives back those that were cut. */
function takeRecords(
  read: { name: string; offset: number; bytes: Uint8Array },
  wanted: Uint32Array,
  { fetched, stats, isLast }: Round,
): Short[] {
  const short: Short[] = []
  const { offsets } = fetched.places
  const cursor = new Cursor(read.bytes, segmentPlace(read.name, read.offset))
  /** Those that are here, in the order of `wanted`. */
  const found = new Uint32Array(wanted.length)
  const lengths = new Uint32Array(wanted.length)
  let count = 0
  let neededBytes = 0
  for (const at of wanted) {
    const start = offsets[at]! - read.offset
    const remaining = cursor.end - start
    // Where even the length field is cut, as many bytes as are assumed at first are asked for.
    const size = remaining < maxChunkLengthBytes ? defaultChunkBytes : recordLengthAt(cursor, start)
    if (size > remaining) {
      cursor.position = start
      if (isLast) cursor.fail(`got ${Math.max(0, remaining)} bytes, want a chunk of ${size}`)
      short.push({ at, bytes: size })
      continue
    }
    found[count] = at
    lengths[count++] = size
    neededBytes += size
  }
  stats.touched += count
  stats.touchedBytes += neededBytes
  // The read stays until its chunks are sent; where most of it is gaps, the chunks are copied out.
  const packed = neededBytes * 2 < read.bytes.length ? new Uint8Array(neededBytes) : undefined
  for (let i = 0, end = 0; i < count; i++) {
    const [at, size] = [found[i]!, lengths[i]!]
    const start = offsets[at]! - read.offset
    packed?.set(read.bytes.subarray(start, start + size), end)
    fetched.put(at, packed ?? read.bytes, packed ? end : start, size)
    end += size
  }
  if (packed) giveBack(read.bytes)
  return short
}

/** Gives the memory of bytes that no one else has back at once: garbage of megabytes would have the whole heap collected. */
function giveBack({ buffer, length }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === length) buffer.transfer(0)
}

/** As chunkRecordLength(), at once where the length field has two bytes, as nearly all have. */
function recordLengthAt(cursor: Cursor, start: number): number {
  const { bytes } = cursor
  const [low, high] = [bytes[start]!, bytes[start + 1]!]
  if (low >= 0x80 && high < 0x80) return 2 + 1 + (low & 0x7f) + high * 0x80 + 4
  cursor.position = start
  return chunkRecordLength(cursor)
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
  return { type: encoding - 1, data, hash: xxhash64(data) }
}
