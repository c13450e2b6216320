// Chunks of a block's segment files, read as byte ranges for a batch of series: never a whole file.
//   len uvarint | encoding u8 | data[len] | crc32c(encoding ‖ data) u32
// Specification: Prometheus tsdb/docs/format/chunks.md. Owns sizes (known from the index, else assumed and read again when short),
// the checks, and the chunk's form on the wire; what is fetched together is decided by plan.ts.
import { crc32c } from '../bytes/crc32c.ts'
import { type BytePlace, Cursor, corruptError } from '../bytes/cursor.ts'
import { aggregates, splitAggregates } from '../chunkenc/aggregate.ts'
import { chunkEncoding } from '../chunkenc/encoding.ts'
import { asMnemoError } from '../kit/errors.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { hashBytes } from '../storeapi/shard.ts'
import { type Aggr, type AggrChunk, aggr, type Chunk } from '../storeapi/types.ts'
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
const maxFrameBytes = 5 + 1 + 4
/** A chunk that claims more is corrupt: Prometheus cuts them at some kilobytes. */
const maxChunkBytes = 64 << 20
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

interface Wanted {
  readonly place: ChunkPlace
  readonly bytes: number
  /** Position in the answer. */
  readonly at: number
}

/**
 * The chunks in the form of the wire, in the order of `places`, whose sizes are `bytes` (plannedBytes). Each checksum is verified.
 * Throws `corrupt`, and `not_found` where a segment file is gone.
 */
export async function readChunks(
  files: ChunkFiles,
  request: { places: readonly ChunkPlace[]; bytes: readonly number[]; aggregates: readonly Aggr[] },
  stats: KindStats,
  signal: AbortSignal,
): Promise<AggrChunk[]> {
  const out = new Array<AggrChunk>(request.places.length)
  const wanted = request.places.map((place, at) => ({ place, bytes: request.bytes[at]!, at }))
  const short = await readRound(files, wanted, { ...request, out, stats }, signal)
  if (short.length > 0) {
    stats.refetches += short.length
    await readRound(files, short, { ...request, out, stats, isLast: true }, signal)
  }
  return out
}

interface Round {
  readonly aggregates: readonly Aggr[]
  readonly out: AggrChunk[]
  readonly stats: KindStats
  /** Sizes are exact now: a chunk that is still cut is corrupt. */
  readonly isLast?: boolean
}

/** Reads and decodes what is wanted; gives back, with its true size, what was cut. */
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
        const bytes = await files.gate.run(length, signal, () => files.bucket.getRange(name, offset, length, signal))
        round.stats.reads++
        round.stats.fetched += read.end - read.first
        round.stats.fetchedBytes += bytes.length
        return decodeRead({ name, offset, bytes }, list.slice(read.first, read.end), round)
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

function decodeRead(
  read: { name: string; offset: number; bytes: Uint8Array },
  wanted: readonly Wanted[],
  round: Round,
): Wanted[] {
  const short: Wanted[] = []
  // Views keep the whole read alive until they are sent; where most of it is gaps, the chunks are copied out.
  const needed = wanted.reduce((sum, { bytes }) => sum + bytes, 0)
  const isSparse = needed * 2 < read.bytes.length
  for (const { place, at } of wanted) {
    const start = place.offset - read.offset
    const where: BytePlace = { file: read.name, section: 'chunk', offset: place.offset }
    const size = chunkBytes(read.bytes, start, where, round.isLast === true)
    if (start + size > read.bytes.length) {
      if (round.isLast) throw corruptError(where, 0, `got ${read.bytes.length - start} bytes, want ${size}`)
      short.push({ place, bytes: size, at })
      continue
    }
    const bytes = isSparse ? read.bytes.slice(start, start + size) : read.bytes.subarray(start, start + size)
    round.out[at] = { minTime: place.minTime, maxTime: place.maxTime, ...decodeChunk(bytes, round.aggregates, where) }
    round.stats.touched++
    round.stats.touchedBytes += size
  }
  return short
}

/** The size of the chunk that begins at `start`: what it says; its frame at least, where even that is cut. */
function chunkBytes(bytes: Uint8Array, start: number, where: BytePlace, isLast: boolean): number {
  let length = 0
  for (let i = 0; i < 5; i++) {
    const byte = bytes[start + i]
    if (byte === undefined) {
      if (isLast) throw corruptError(where, 0, 'got the end of the file, want a chunk')
      return defaultChunkBytes
    }
    length += (byte & 0x7f) * 2 ** (7 * i)
    if (byte >= 0x80) continue
    if (length > maxChunkBytes)
      throw corruptError(where, 0, `got a length of ${length} bytes, want at most ${maxChunkBytes}`)
    return i + 1 + 1 + length + 4
  }
  throw corruptError(where, 0, 'got a length of more than 32 bits')
}

/** The data fields of a whole chunk; `bytes` go on into them. */
function decodeChunk(bytes: Uint8Array, wanted: readonly Aggr[], where: BytePlace): DataFields {
  const cursor = new Cursor(bytes, where)
  const length = cursor.uvarint32()
  const checked = cursor.borrowBytes(length + 1)
  const got = crc32c(checked)
  const want = cursor.u32()
  if (got !== want) throw corruptError(where, 0, `got checksum ${got.toString(16)}, want ${want.toString(16)}`)
  const encoding = checked[0]!
  const data = checked.subarray(1)
  if (encoding !== chunkEncoding.aggregate) return { raw: wireChunk(encoding, data, where) }
  return wireAggregates(data, wanted, where)
}

type DataFields = Omit<AggrChunk, 'minTime' | 'maxTime'>

/** Those of the wanted aggregates that the chunk has: native histograms have neither min nor max. */
function wireAggregates(data: Uint8Array, wanted: readonly Aggr[], where: BytePlace): DataFields {
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
