// Cuts a stream of series responses into the frames that go on the wire.
// Many small frames are slow and huge ones pile up: a batch is closed by bytes as well as by the number of series that
// the peer asked for, and a large series goes out in parts, each with its labels. Owns the open batch.
import {
  encodeSeries,
  encodeSeriesBatch,
  encodeSeriesResponse,
  maxAggrChunkBytes,
  maxLabelsBytes,
  maxSeriesBytes,
} from './messages.ts'
import type { SeriesResponse, StoreSeries } from './types.ts'
import { type SeriesFields, splitFields, WireSeries } from './wire-series.ts'

/** A batch is sent once it has this many bytes; grpc-js is fastest from 16 to 64 KiB. */
const batchTargetBytes = 32 << 10
/** A series of more is sent in parts: to peers that read batches, and to those that do not (they may expect it whole). */
const batchedPartBytes = 64 << 10
const plainPartBytes = 4 << 20

const none: readonly Buffer[] = []

export class FrameCutter {
  readonly #batchSize: number
  readonly #partBytes: number
  #batch: (StoreSeries | SeriesFields)[] = []
  #bytes = 0

  /** `batchSize` is the request's: series a frame at most; below 2: one a frame, unbatched. */
  constructor(batchSize: number) {
    this.#batchSize = batchSize
    this.#partBytes = batchSize > 1 ? batchedPartBytes : plainPartBytes
  }

  /** The frames that are full with this response, in order; often none. */
  add(response: SeriesResponse): readonly Buffer[] {
    if (response.kind !== 'series') return [...this.flush(), encodeSeriesResponse(response)]
    const { series } = response
    const length = maxSeriesBytes(series)
    if (length <= this.#partBytes) return this.#addPart(series, length)
    return splitSeries(series, this.#partBytes).flatMap((part) => this.#addPart(part, maxSeriesBytes(part)))
  }

  #addPart(part: StoreSeries | SeriesFields, length: number): readonly Buffer[] {
    if (this.#batchSize <= 1) return [encodeSeries(part)]
    const full = this.#bytes + length > batchedPartBytes ? this.flush() : none
    this.#batch.push(part)
    this.#bytes += length
    if (this.#batch.length < this.#batchSize && this.#bytes < batchTargetBytes) return full
    return [...full, ...this.flush()]
  }

  /** The open batch as a frame, none where it is empty. */
  flush(): readonly Buffer[] {
    if (this.#batch.length === 0) return none
    const frame = encodeSeriesBatch(this.#batch, this.#bytes)
    this.#batch = []
    this.#bytes = 0
    return [frame]
  }
}

/** The series cut between chunks into parts of at most `partBytes` (or one chunk) each. */
function splitSeries(series: StoreSeries, partBytes: number): (StoreSeries | SeriesFields)[] {
  const { labels } = series
  const ownBytes = maxLabelsBytes(labels)
  if (series instanceof WireSeries)
    return splitFields(series.parts, Math.max(1, partBytes - ownBytes)).map((parts) => ({ labels, parts }))
  const { chunks } = series
  const parts: StoreSeries[] = []
  let from = 0
  let length = ownBytes
  for (let i = 0; i < chunks.length; i++) {
    const chunkLength = maxAggrChunkBytes(chunks[i]!)
    if (i > from && length + chunkLength > partBytes) {
      parts.push({ labels, chunks: chunks.slice(from, i) })
      from = i
      length = ownBytes
    }
    length += chunkLength
  }
  parts.push({ labels, chunks: chunks.slice(from) })
  return parts
}
