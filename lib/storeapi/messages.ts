// The codec of a Series call: SeriesRequest (from series-request.ts) and the frames of SeriesResponse.
// Specification: proto/store.proto. By hand, because a query reads and writes it once a series and chunk; chunk data are
// views on the frame. Owns the reader's memory of the last series, whose strings the next one shares.
import { MnemoError } from '../kit/errors.ts'
import { compareStrings, type Labels, labelsOf } from '../labels/labels.ts'
import { BackWriter } from './back-writer.ts'
import { ProtoReader } from './proto-reader.ts'
import { ProtoWriter } from './proto-writer.ts'
import type { AggrChunk, Chunk, SeriesResponse, StoreSeries } from './types.ts'

export { decodeSeriesRequest, encodeSeriesRequest } from './series-request.ts'

/** More than any series has; what is beyond is refused before it is kept. */
const maxLabels = 4096

const hintsType = 'type.googleapis.com/hintspb.SeriesResponseHints'
const noBytes = new Uint8Array(0)

const aggregateNames = ['raw', 'count', 'sum', 'min', 'max', 'counter'] as const
/** AggrChunk's field number of raw; the others follow. */
const rawField = 3

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * Decodes the frames of one stream. A label that equals the last series' at the same place, byte for byte, shares its
 * strings: series come sorted, so that most do.
 */
export class SeriesDecoder {
  #frame: Buffer | undefined
  /** Start and end in #frame of each Label message of the last series, and its labels as they stood there. */
  #places: number[] = []
  #labels: Labels = []

  /** What a frame says, batches flattened; chunk data are views on the frame. Throws `corrupt`. */
  decode(frame: Uint8Array): SeriesResponse[] {
    const reader = new ProtoReader('SeriesResponse', frame)
    const responses: SeriesResponse[] = []
    reader.fields((tag) => {
      if (tag === 0x0a) responses.push({ kind: 'series', series: this.#series(reader) })
      else if (tag === 0x12) responses.push({ kind: 'warning', warning: reader.string() })
      else if (tag === 0x1a) this.#hints(reader, responses)
      else if (tag === 0x22)
        reader.nested((inner) => {
          if (inner === 0x0a) responses.push({ kind: 'series', series: this.#series(reader) })
          else reader.skip(inner)
        })
      else reader.skip(tag)
    })
    return responses
  }

  #series(reader: ProtoReader): StoreSeries {
    const outer = reader.enter()
    const lastFrame = this.#frame
    const lastPlaces = this.#places
    const last = this.#labels
    const places: number[] = []
    const labels: string[] = []
    const chunks: AggrChunk[] = []
    let isSorted = true
    while (reader.more) {
      const tag = reader.tag()
      if (tag === 0x12) chunks.push(readAggrChunk(reader))
      else if (tag === 0x0a) {
        const at = places.length
        if (at >= 2 * maxLabels) reader.fail(`got more than ${maxLabels} labels`)
        const start = reader.delimited()
        const end = reader.position
        places.push(start, end)
        if (lastFrame && equalBytes(lastFrame, lastPlaces[at], lastPlaces[at + 1], reader.bytes, start, end)) {
          labels.push(last[at]!, last[at + 1]!)
        } else readLabel(reader, start, labels)
        // Names that stand as they stood in the last series are in its order.
        if (at > 0 && (labels[at] !== last[at] || labels[at - 2] !== last[at - 2]))
          isSorted &&= compareStrings(labels[at - 2]!, labels[at]!) < 0
      } else reader.skip(tag)
    }
    reader.leave(outer)
    if (!isSorted) return { labels: sortLabels(reader, labels), chunks }
    this.#frame = reader.bytes
    this.#places = places
    this.#labels = labels
    return { labels, chunks }
  }

  #hints(reader: ProtoReader, into: SeriesResponse[]): void {
    let type = ''
    let value: Uint8Array = noBytes
    reader.nested((tag) => {
      if (tag === 0x0a) type = reader.string()
      else if (tag === 0x12) value = reader.borrowBytes()
      else reader.skip(tag)
    })
    // Hints of another kind are not ours to understand.
    if (type === hintsType) into.push({ kind: 'hints', queriedBlocks: readBlocks(value) })
  }
}

/** Reads the Label message that starts at `start` and ends at the reader's position. */
function readLabel(reader: ProtoReader, start: number, into: string[]): void {
  const outer = reader.end
  reader.end = reader.position
  reader.position = start
  let name = ''
  let value = ''
  while (reader.more) {
    const tag = reader.tag()
    if (tag === 0x0a) name = reader.string()
    else if (tag === 0x12) value = reader.string()
    else reader.skip(tag)
  }
  reader.end = outer
  into.push(name, value)
}

/** A peer that sends labels out of order: put in order, so that equal label sets are equal arrays. */
function sortLabels(reader: ProtoReader, flat: readonly string[]): Labels {
  const pairs = Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!] as const)
  if (new Set(pairs.map(([name]) => name)).size < pairs.length) reader.fail('got a label name twice in a series')
  return labelsOf(pairs)
}

function equalBytes(
  a: Buffer,
  aStart: number | undefined,
  aEnd: number | undefined,
  b: Buffer,
  bStart: number,
  bEnd: number,
): boolean {
  if (aStart === undefined || aEnd === undefined || aEnd - aStart !== bEnd - bStart) return false
  // From the end: values differ more often than names.
  for (let i = aEnd - 1, j = bEnd - 1; i >= aStart; i--, j--) if (a[i] !== b[j]) return false
  return true
}

function readAggrChunk(reader: ProtoReader): AggrChunk {
  const outer = reader.enter()
  const chunk: Mutable<AggrChunk> = { minTime: 0, maxTime: 0 }
  while (reader.more) {
    const tag = reader.tag()
    const aggregate = (tag & 7) === 2 ? aggregateNames[(tag >>> 3) - rawField] : undefined
    if (aggregate) chunk[aggregate] = readChunk(reader)
    else if (tag === 0x08) chunk.minTime = reader.int64()
    else if (tag === 0x10) chunk.maxTime = reader.int64()
    else reader.skip(tag)
  }
  reader.leave(outer)
  return chunk
}

function readChunk(reader: ProtoReader): Chunk {
  const outer = reader.enter()
  let type = 0
  let data: Uint8Array = noBytes
  let hash = 0n
  while (reader.more) {
    const tag = reader.tag()
    if (tag === 0x08) type = reader.uint32()
    else if (tag === 0x12) data = reader.borrowBytes()
    else if (tag === 0x18) hash = reader.uint64()
    else reader.skip(tag)
  }
  reader.leave(outer)
  return { type, data, hash }
}

function readBlocks(bytes: Uint8Array): string[] {
  const reader = new ProtoReader('SeriesResponseHints', bytes)
  const ids: string[] = []
  reader.fields((tag) => {
    if (tag !== 0x0a) return reader.skip(tag)
    reader.nested((inner) => {
      if (inner === 0x0a) ids.push(reader.string())
      else reader.skip(inner)
    })
  })
  return ids
}

/** Tag, length, type and hash of a Chunk message, at most, and the tag and length of its data. */
const chunkOverheadBytes = 32
/** Tag and length of an AggrChunk message and its two times, at most. */
const aggrChunkOverheadBytes = 32
/** Tags and lengths of a Label message, at most; UTF-8 takes at most three bytes for a UTF-16 code unit. */
const labelOverheadBytes = 24
const seriesOverheadBytes = 16

/** No Series message with these labels and no chunks is longer. */
export function maxLabelsBytes(labels: Labels): number {
  let sum = seriesOverheadBytes
  for (let i = 0; i < labels.length; i += 2) sum += labelOverheadBytes + 3 * (labels[i]!.length + labels[i + 1]!.length)
  return sum
}

/** No AggrChunk field is longer than this. */
export function maxAggrChunkBytes(chunk: AggrChunk): number {
  if (isRawOnly(chunk)) return aggrChunkOverheadBytes + chunkOverheadBytes + chunk.raw.data.length
  let sum = aggrChunkOverheadBytes
  for (const name of aggregateNames) {
    const aggregate = chunk[name]
    if (aggregate) sum += chunkOverheadBytes + aggregate.data.length
  }
  return sum
}

/** As nearly all chunks are: a look at each name by itself is slower. */
function isRawOnly(chunk: AggrChunk): chunk is AggrChunk & { readonly raw: Chunk } {
  const { raw, count, sum, min, max, counter } = chunk
  return raw !== undefined && !count && !sum && !min && !max && !counter
}

/** No Series message of these is longer. */
export function maxSeriesBytes(series: StoreSeries): number {
  let sum = maxLabelsBytes(series.labels)
  for (const chunk of series.chunks) sum += maxAggrChunkBytes(chunk)
  return sum
}

// Written from the end to the start: a message's length is known when its head is written.

function writeSeries(writer: BackWriter, field: number, { labels, chunks }: StoreSeries): void {
  const end = writer.position
  for (let i = chunks.length - 1; i >= 0; i--) writeAggrChunk(writer, chunks[i]!)
  for (let i = labels.length - 2; i >= 0; i -= 2) {
    const labelEnd = writer.position
    writer.stringField(2, labels[i + 1]!)
    writer.stringField(1, labels[i]!)
    writer.head(1, labelEnd)
  }
  writer.head(field, end)
}

function writeAggrChunk(writer: BackWriter, chunk: AggrChunk): void {
  const end = writer.position
  if (isRawOnly(chunk)) writeChunk(writer, rawField, chunk.raw)
  else
    for (let i = aggregateNames.length - 1; i >= 0; i--) {
      const aggregate = chunk[aggregateNames[i]!]
      if (aggregate) writeChunk(writer, rawField + i, aggregate)
    }
  writer.intField(2, chunk.maxTime)
  writer.intField(1, chunk.minTime)
  writer.head(2, end)
}

function writeChunk(writer: BackWriter, field: number, chunk: Chunk): void {
  const end = writer.position
  writer.uint64Field(3, chunk.hash)
  writer.bytesField(2, chunk.data)
  writer.intField(1, chunk.type)
  writer.head(field, end)
}

/** A frame that carries one response. */
export function encodeSeriesResponse(response: SeriesResponse): Buffer {
  switch (response.kind) {
    case 'series': {
      const writer = new BackWriter(maxSeriesBytes(response.series))
      writeSeries(writer, 1, response.series)
      return writer.finish()
    }
    case 'warning': {
      const writer = new ProtoWriter()
      writer.stringElement(2, response.warning)
      return writer.finish()
    }
    case 'hints':
      return encodeHints(response.queriedBlocks)
    default:
      throw new MnemoError('internal', `cannot encode response: got ${JSON.stringify(response satisfies never)}`)
  }
}

/** A frame that carries several series, no longer together than `maxBytes` (the sum of maxSeriesBytes). */
export function encodeSeriesBatch(batch: readonly StoreSeries[], maxBytes = sumOfBytes(batch)): Buffer {
  const writer = new BackWriter(seriesOverheadBytes + maxBytes)
  const end = writer.position
  for (let i = batch.length - 1; i >= 0; i--) writeSeries(writer, 1, batch[i]!)
  writer.head(4, end)
  return writer.finish()
}

function sumOfBytes(batch: readonly StoreSeries[]): number {
  let sum = 0
  for (const series of batch) sum += maxSeriesBytes(series)
  return sum
}

function encodeHints(blocks: readonly string[]): Buffer {
  const writer = new ProtoWriter()
  writer.message(3, (any) => {
    any.stringField(1, hintsType)
    any.message(2, (hints) => {
      for (const id of blocks) hints.message(1, (block) => block.stringField(1, id))
    })
  })
  return writer.finish()
}
