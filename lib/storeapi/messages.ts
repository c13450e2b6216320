// The codec of a Series call: SeriesRequest (series-request.ts), what reads frames of SeriesResponse (series-decoder.ts) and what writes them.
// Specification: proto/store.proto. By hand, because a query writes it once a series and chunk.
// Owns the writing, and how long a message can be.
import { MnemoError } from '../kit/errors.ts'
import type { Labels } from '../labels/labels.ts'
import { BackWriter } from './back-writer.ts'
import { aggregateNames, rawField } from './chunk-fields.ts'
import { hintsType } from './hints.ts'
import { ProtoWriter } from './proto-writer.ts'
import type { AggrChunk, Chunk, SeriesResponse, StoreSeries } from './types.ts'
import type { SeriesFields } from './wire-series.ts'

export { SeriesDecoder } from './series-decoder.ts'
export { decodeSeriesRequest, encodeSeriesRequest } from './series-request.ts'

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
export function maxSeriesBytes(series: StoreSeries | SeriesFields): number {
  let sum = maxLabelsBytes(series.labels)
  if ('parts' in series) {
    for (const { start, end } of series.parts) sum += end - start
    return sum
  }
  for (const chunk of series.chunks) sum += maxAggrChunkBytes(chunk)
  return sum
}

// Written from the end to the start: a message's length is known when its head is written.

function writeSeries(writer: BackWriter, field: number, series: StoreSeries | SeriesFields): void {
  const { labels } = series
  const end = writer.position
  if ('parts' in series) writeParts(writer, series)
  else for (let i = series.chunks.length - 1; i >= 0; i--) writeAggrChunk(writer, series.chunks[i]!)
  for (let i = labels.length - 2; i >= 0; i -= 2) {
    const labelEnd = writer.position
    writer.stringField(2, labels[i + 1]!)
    writer.stringField(1, labels[i]!)
    writer.head(1, labelEnd)
  }
  writer.head(field, end)
}

/** Chunks that stand in frames already go on as they are. */
function writeParts(writer: BackWriter, { parts }: SeriesFields): void {
  for (let i = parts.length - 1; i >= 0; i--) {
    const { frame, start, end } = parts[i]!
    writer.raw(frame.subarray(start, end))
  }
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
    case 'series':
      return encodeSeries(response.series)
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

/** A frame that carries one series. */
export function encodeSeries(series: StoreSeries | SeriesFields): Buffer {
  const writer = new BackWriter(maxSeriesBytes(series))
  writeSeries(writer, 1, series)
  return writer.finish()
}

/** A frame that carries several series, no longer together than `maxBytes` (the sum of maxSeriesBytes). */
export function encodeSeriesBatch(
  batch: readonly (StoreSeries | SeriesFields)[],
  maxBytes = sumOfBytes(batch),
): Buffer {
  const writer = new BackWriter(seriesOverheadBytes + maxBytes)
  const end = writer.position
  for (let i = batch.length - 1; i >= 0; i--) writeSeries(writer, 1, batch[i]!)
  writer.head(4, end)
  return writer.finish()
}

function sumOfBytes(batch: readonly (StoreSeries | SeriesFields)[]): number {
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
