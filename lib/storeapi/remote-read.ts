// Prometheus's remote read: the request, its streamed answer as (labels, chunks), and the older answer of samples.
// Specification: proto/remote-read.proto. A streamed frame is `length uvarint | crc32c u32 | ChunkedReadResponse`, where the
// checksum is that of the message. Owns the frame that is being put together; chunk data are views on it.
import { compress, uncompress } from 'snappy'
import { prometheus } from '../../build/proto.js'
import { crc32c } from '../bytes/crc32c.ts'
import { MnemoError } from '../kit/errors.ts'
import { type Labels, labelsOf } from '../labels/labels.ts'
import type { LabelMatcher } from '../labels/matcher.ts'
import { ProtoReader } from './proto-reader.ts'
import { ProtoWriter } from './proto-writer.ts'
import { writeMatchers } from './series-request.ts'
import type { AggrChunk } from './types.ts'
import { readLabel } from './unary-messages.ts'

/** Prometheus's own limit of a frame is 50 MB, of which one chunk is the smallest part. */
const maxFrameBytes = 256 << 20
/** A whole answer of samples, uncompressed. */
const maxSamplesBytes = 1 << 30
const maxLengthBytes = 5
const checksumBytes = 4

/** The two kinds of answer, as the header Content-Type tells them apart. */
export const streamedContentType = 'application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse'
export const samplesContentType = 'application/x-protobuf'

export interface RemoteReadQuery {
  /** Both inclusive, in ms. */
  readonly minTime: number
  readonly maxTime: number
  readonly matchers: readonly LabelMatcher[]
}

/** A part of a series; `file encoding − 1` is the chunks' type, as StoreAPI has it. */
export interface RemoteSeries {
  readonly labels: Labels
  readonly chunks: AggrChunk[]
}

/** The body of a request for one query, streamed chunks preferred; snappy's block format. */
export function encodeReadRequest(query: RemoteReadQuery): Promise<Buffer> {
  const writer = new ProtoWriter()
  writer.message(1, (nested) => {
    nested.intField(1, query.minTime)
    nested.intField(2, query.maxTime)
    writeMatchers(nested, 3, query.matchers)
  })
  // Packed: streamed chunks first, samples from those that have no other.
  writer.delimited(2, 2)
  writer.varint(prometheus.ReadRequest.ResponseType.STREAMED_XOR_CHUNKS)
  writer.varint(prometheus.ReadRequest.ResponseType.SAMPLES)
  return compress(writer.finish())
}

/** The series of a streamed answer, in its order; a series may come in several parts. Throws `corrupt`. */
export async function* decodeChunkedResponse(
  body: AsyncIterable<Uint8Array>,
  source: string,
): AsyncGenerator<RemoteSeries> {
  const what = `remote read answer of ${source}`
  for await (const frame of readFrames(body, what)) {
    const reader = new ProtoReader(what, frame)
    const series: RemoteSeries[] = []
    reader.fields((tag) => {
      if (tag === 0x0a) series.push(readChunkedSeries(reader))
      else reader.skip(tag)
    })
    yield* series
  }
}

/** The messages of the frames, each checked against its checksum. */
async function* readFrames(body: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<Uint8Array> {
  const pieces = new Pieces()
  let offset = 0
  const corrupt = (got: string) => new MnemoError('corrupt', `cannot decode ${what} at offset ${offset}: ${got}`)
  for await (const piece of body) {
    pieces.add(piece)
    for (;;) {
      const head = readLength(pieces.peek(maxLengthBytes))
      if (head === 'long') throw corrupt('got a frame length of more than 5 bytes')
      if (head === 'short') break
      if (head.length > maxFrameBytes)
        throw corrupt(`got a frame of ${head.length} bytes, want at most ${maxFrameBytes}`)
      const total = head.bytes + checksumBytes + head.length
      if (pieces.length < total) break
      const frame = pieces.take(total)
      const want = frame.readUInt32BE(head.bytes)
      const message = frame.subarray(head.bytes + checksumBytes)
      const got = crc32c(message)
      if (got !== want) throw corrupt(`got checksum ${got.toString(16)}, want ${want.toString(16)}`)
      yield message
      offset += total
    }
  }
  if (pieces.length > 0) throw corrupt(`got the end of the answer after ${pieces.length} bytes of a frame`)
}

function readLength(bytes: Buffer): { length: number; bytes: number } | 'short' | 'long' {
  let length = 0
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    length += (byte & 0x7f) * 128 ** i
    if (byte < 0x80) return { length, bytes: i + 1 }
  }
  return bytes.length < maxLengthBytes ? 'short' : 'long'
}

/** Bytes as they came, put together only where a frame is whole. */
class Pieces {
  #list: Buffer[] = []
  length = 0

  add(piece: Uint8Array): void {
    this.#list.push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength))
    this.length += piece.length
  }

  /** The first `count` bytes, fewer where fewer are here. */
  peek(count: number): Buffer {
    const first = this.#list[0]
    if (first === undefined) return Buffer.alloc(0)
    if (first.length >= count || this.#list.length === 1) return first.subarray(0, count)
    return Buffer.concat(this.#list.slice(0, count), Math.min(count, this.length))
  }

  /** The first `count` bytes, which must be here: a view where one piece has them. */
  take(count: number): Buffer {
    const taken: Buffer[] = []
    let missing = count
    let used = 0
    while (missing > 0) {
      const piece = this.#list[used]!
      if (piece.length <= missing) {
        taken.push(piece)
        used++
      } else {
        taken.push(piece.subarray(0, missing))
        this.#list[used] = piece.subarray(missing)
      }
      missing -= taken.at(-1)!.length
    }
    this.#list.splice(0, used)
    this.length -= count
    return taken.length === 1 ? taken[0]! : Buffer.concat(taken, count)
  }
}

function readChunkedSeries(reader: ProtoReader): RemoteSeries {
  const pairs: (readonly [string, string])[] = []
  const chunks: AggrChunk[] = []
  reader.nested((tag) => {
    if (tag === 0x0a) pairs.push(readLabel(reader))
    else if (tag === 0x12) chunks.push(readChunk(reader))
    else reader.skip(tag)
  })
  return { labels: labelsOf(pairs), chunks }
}

function readChunk(reader: ProtoReader): AggrChunk {
  let minTime = 0
  let maxTime = 0
  let encoding = 0
  let data: Uint8Array = new Uint8Array(0)
  reader.nested((tag) => {
    if (tag === 0x08) minTime = reader.int64()
    else if (tag === 0x10) maxTime = reader.int64()
    else if (tag === 0x18) encoding = reader.uint32()
    else if (tag === 0x22) data = reader.borrowBytes()
    else reader.skip(tag)
  })
  if (encoding === 0) reader.fail('got a chunk of encoding 0, want a number from 1')
  return { minTime, maxTime, raw: { type: encoding - 1, data, hash: 0n } }
}

/** A series of an answer of samples: float samples as columns, native histograms as they were sent. */
export interface SampledSeries {
  readonly labels: Labels
  /** In ms, ascending. */
  readonly times: Float64Array
  /** Bits, not numbers: a stale marker is a NaN among others. */
  readonly valueBits: BigUint64Array
  readonly histograms: readonly prometheus.IHistogram[]
}

/** The series of an answer of samples (the body as received, compressed). Throws `corrupt`, `resource_exhausted`. */
export async function decodeSamplesResponse(body: Uint8Array, source: string): Promise<SampledSeries[]> {
  const what = `remote read answer of ${source}`
  const message = await uncompressBlock(body, what)
  const reader = new ProtoReader(what, message)
  const series: SampledSeries[] = []
  reader.fields((tag) => {
    if (tag !== 0x0a) return reader.skip(tag)
    reader.nested((inner) => {
      if (inner === 0x0a) series.push(readTimeSeries(reader))
      else reader.skip(inner)
    })
  })
  return series
}

async function uncompressBlock(body: Uint8Array, what: string): Promise<Uint8Array> {
  const head = readLength(Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, maxLengthBytes)))
  if (typeof head === 'string') throw new MnemoError('corrupt', `cannot decode ${what}: got no snappy length`)
  if (head.length > maxSamplesBytes)
    throw new MnemoError(
      'resource_exhausted',
      `cannot decode ${what}: got ${head.length} bytes, want at most ${maxSamplesBytes}`,
    )
  try {
    const bytes = await uncompress(Buffer.from(body.buffer, body.byteOffset, body.byteLength), { asBuffer: true })
    return bytes as Buffer
  } catch (error) {
    throw new MnemoError('corrupt', `cannot decode ${what}: got bytes that are not snappy's`, { cause: error })
  }
}

function readTimeSeries(reader: ProtoReader): SampledSeries {
  const pairs: (readonly [string, string])[] = []
  const times: number[] = []
  const values: bigint[] = []
  const histograms: prometheus.IHistogram[] = []
  reader.nested((tag) => {
    if (tag === 0x0a) pairs.push(readLabel(reader))
    else if (tag === 0x12) readSample(reader, times, values)
    else if (tag === 0x22) histograms.push(readHistogram(reader))
    else reader.skip(tag)
  })
  return {
    labels: labelsOf(pairs),
    times: Float64Array.from(times),
    valueBits: BigUint64Array.from(values),
    histograms,
  }
}

function readSample(reader: ProtoReader, times: number[], values: bigint[]): void {
  let time = 0
  let value = 0n
  reader.nested((tag) => {
    if (tag === 0x09) value = reader.doubleBits()
    else if (tag === 0x10) time = reader.int64()
    else reader.skip(tag)
  })
  times.push(time)
  values.push(value)
}

function readHistogram(reader: ProtoReader): prometheus.IHistogram {
  const bytes = reader.borrowBytes()
  try {
    return prometheus.Histogram.decode(bytes)
  } catch (error) {
    throw new MnemoError('corrupt', `cannot decode a histogram of ${reader.what}`, { cause: error })
  }
}
