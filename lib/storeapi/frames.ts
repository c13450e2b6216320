// Cuts a stream of series responses into the frames that go on the wire.
// Many small frames are slow and huge ones pile up: a batch is closed by bytes as well as by the number of series that
// the peer asked for, and a large series goes out in parts, each with its labels. Owns the open batch.
import { encodeSeriesBatch, encodeSeriesResponse, maxAggrChunkBytes, maxLabelsBytes } from './messages.ts'
import type { SeriesResponse, StoreSeries } from './types.ts'

/** A batch is sent once it has this many bytes; grpc-js is fastest from 16 to 64 KiB. */
const batchTargetBytes = 32 << 10
/** A series of more is sent in parts: to peers that read batches, and to those that do not (they may expect it whole). */
const batchedPartBytes = 64 << 10
const plainPartBytes = 4 << 20

export class FrameCutter {
  readonly #batchSize: number
  readonly #partBytes: number
  #batch: StoreSeries[] = []
  #bytes = 0

  /** `batchSize` is the request's: series a frame at most; below 2: one a frame, unbatched. */
  constructor(batchSize: number) {
    this.#batchSize = batchSize
    this.#partBytes = batchSize > 1 ? batchedPartBytes : plainPartBytes
  }

  /** The frames that are full with this response, in order; often none. */
  add(response: SeriesResponse): Buffer[] {
    if (response.kind !== 'series') return [...this.flush(), encodeSeriesResponse(response)]
    const frames: Buffer[] = []
    for (const { part, length } of splitSeries(response.series, this.#partBytes)) {
      if (this.#batchSize <= 1) {
        frames.push(encodeSeriesResponse({ kind: 'series', series: part }))
        continue
      }
      if (this.#bytes + length > batchedPartBytes) frames.push(...this.flush())
      this.#batch.push(part)
      this.#bytes += length
      if (this.#batch.length >= this.#batchSize || this.#bytes >= batchTargetBytes) frames.push(...this.flush())
    }
    return frames
  }

  /** The open batch as a frame, none where it is empty. */
  flush(): Buffer[] {
    if (this.#batch.length === 0) return []
    const frame = encodeSeriesBatch(this.#batch)
    this.#batch = []
    this.#bytes = 0
    return [frame]
  }
}

/** The series whole, or cut between chunks into parts of at most `partBytes` (or one chunk) each; with bounds of their sizes. */
function splitSeries(series: StoreSeries, partBytes: number): { part: StoreSeries; length: number }[] {
  const { labels, chunks } = series
  const ownBytes = maxLabelsBytes(labels)
  const parts: { part: StoreSeries; length: number }[] = []
  let from = 0
  let length = ownBytes
  for (let i = 0; i < chunks.length; i++) {
    const chunkLength = maxAggrChunkBytes(chunks[i]!)
    if (i > from && length + chunkLength > partBytes) {
      parts.push({ part: { labels, chunks: chunks.slice(from, i) }, length })
      from = i
      length = ownBytes
    }
    length += chunkLength
  }
  parts.push({ part: from === 0 ? series : { labels, chunks: chunks.slice(from) }, length })
  return parts
}
