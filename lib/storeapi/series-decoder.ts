// Decodes the frames of a Series stream. By hand, because a query reads it once a series; chunks are left to kernels where they can be.
// Specification: proto/store.proto. Owns the memory of the last series, whose strings the next one shares.
import { FrameWalker } from '../kernels/frame-walker.ts'
import { compareStrings, type Labels, labelsOf } from '../labels/labels.ts'
import { chunkTag, readAggrChunk } from './chunk-fields.ts'
import { hintsType } from './hints.ts'
import { ProtoReader } from './proto-reader.ts'
import type { AggrChunk, SeriesResponse, StoreSeries } from './types.ts'
import { type ChunkFields, WireSeries } from './wire-series.ts'

/** More than any series has; what is beyond is refused before it is kept. */
const maxLabels = 4096

const noBytes = new Uint8Array(0)

/**
 * Decodes the frames of one stream. A label that equals the last series' at the same place, byte for byte, shares its
 * strings: series come sorted, so that most do.
 */
export class SeriesDecoder {
  #frame: Buffer | undefined
  /** Start and end in #frame of each Label message of the last series, and its labels as they stood there. */
  #places: number[] = []
  #labels: Labels = []

  /** What a frame says, batches flattened; plain series come as WireSeries, and all data are views on the frame. Throws `corrupt`. */
  decode(frame: Uint8Array): SeriesResponse[] {
    const reader = new ProtoReader('SeriesResponse', frame)
    walker ??= new FrameWalker()
    const count = walker.walk(frame)
    if (count < 0) return this.#decodeAny(reader)
    const responses: SeriesResponse[] = []
    for (let i = 0; i < count; i++) {
      reader.position = walker.start(i)
      reader.end = walker.end(i)
      if (!walker.isPlain(i) || walker.chunkCount(i) === 0) {
        responses.push({ kind: 'series', series: this.#series(reader) })
        continue
      }
      const part = fieldsOf(walker, i, reader.bytes)
      reader.end = part.start
      const { labels } = this.#series(reader)
      responses.push({ kind: 'series', series: new WireSeries(labels, [part]) })
    }
    return responses
  }

  #decodeAny(reader: ProtoReader): SeriesResponse[] {
    const responses: SeriesResponse[] = []
    reader.fields((tag) => {
      if (tag === 0x0a) responses.push({ kind: 'series', series: this.#nested(reader) })
      else if (tag === 0x12) responses.push({ kind: 'warning', warning: reader.string() })
      else if (tag === 0x1a) this.#hints(reader, responses)
      else if (tag === 0x22)
        reader.nested((inner) => {
          if (inner === 0x0a) responses.push({ kind: 'series', series: this.#nested(reader) })
          else reader.skip(inner)
        })
      else reader.skip(tag)
    })
    return responses
  }

  #nested(reader: ProtoReader): StoreSeries {
    const outer = reader.enter()
    const series = this.#series(reader)
    reader.leave(outer)
    return series
  }

  /** The Series message from the reader's position to its end. */
  #series(reader: ProtoReader): StoreSeries {
    const lastFrame = this.#frame
    const lastPlaces = this.#places
    const last = this.#labels
    const places: number[] = []
    const labels: string[] = []
    const chunks: AggrChunk[] = []
    let isSorted = true
    while (reader.more) {
      const tag = reader.tag()
      if (tag === chunkTag) chunks.push(readAggrChunk(reader))
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

let walker: FrameWalker | undefined

/** Where a plain series' chunks stand. */
function fieldsOf(walker: FrameWalker, series: number, frame: Uint8Array): ChunkFields {
  return {
    frame,
    start: walker.chunksStart(series),
    end: walker.end(series),
    minTime: walker.minTime(series),
    maxTime: walker.maxTime(series),
    dataBytes: walker.dataBytes(series),
    samples: walker.samples(series),
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
