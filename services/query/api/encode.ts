// A query's answer as the bytes of its JSON, ready to be put into the envelope: made in a worker, passed on as it is.
// Format: Prometheus's HTTP API (web/api/v1/json_codec.go): `"resultType":"matrix","result":[{"metric":{…},"values":[[t,"v"],…]},…]`.
// Owns that encoding and the cut at `limit`; points are written by a kernel.

import { PointWriter } from '../../../lib/kernels/point-writer.ts'
import type { Labels } from '../../../lib/labels/labels.ts'
import type { QueryResult, QuerySamples, ResultSample, ResultSeries } from '../../../lib/promql/exec/result.ts'
import { formatTimestamp, formatValue } from '../../../lib/promql/format-number.ts'
import { formatDecimal } from '../../../lib/promql/functions/go-format.ts'
import { encodeHistogramPoint } from './encode-histogram.ts'

export interface EncodedResult {
  /** The fields resultType and result, without the braces around them, in pieces; their buffers are their own and may be transferred. */
  readonly fields: readonly Uint8Array<ArrayBuffer>[]
  readonly warnings: readonly string[]
  readonly infos: readonly string[]
  /** JSON of what each operator did, where that was asked. */
  readonly analysis?: string
  /** Samples that were looked at, where that was asked, and what evaluation took. */
  readonly stats?: {
    readonly samples: QuerySamples
    readonly evalMs: number
    /** By step, too, where that is asked: a feature. */
    readonly isByStep: boolean
  }
}

/** What a result cut at a limit says. */
export const truncatedWarning = 'results truncated due to limit'

/** Encodes a result; of vectors and matrices the first `limit` entries (0: all), with a warning where that leaves any out. */
export function encodeQueryResult(result: QueryResult, limit = 0): EncodedResult {
  const sink = new TextSink()
  sink.write(`"resultType":"${result.type}","result":`)
  const truncated = writeResult(sink, result, limit > 0 ? limit : Number.POSITIVE_INFINITY)
  const warnings = truncated ? [...result.warnings, truncatedWarning] : result.warnings
  return { fields: sink.finish(), warnings, infos: result.infos }
}

function writeResult(sink: TextSink, result: QueryResult, limit: number): boolean {
  switch (result.type) {
    case 'matrix':
      writeMatrix(sink, result.series.slice(0, limit))
      return result.series.length > limit
    case 'vector':
      writeVector(sink, result.samples.slice(0, limit))
      return result.samples.length > limit
    case 'scalar':
      sink.write(`[${result.timeMs / 1000},"${formatDecimal(result.value)}"]`)
      return false
    case 'string':
      sink.write(`[${result.timeMs / 1000},${JSON.stringify(result.value.toWellFormed())}]`)
      return false
    default:
      return result satisfies never
  }
}

function writeVector(sink: TextSink, samples: readonly ResultSample[]): void {
  let separator = '['
  for (const { labels, timeMs, value, histogram } of samples) {
    const point =
      histogram === undefined
        ? `"value":[${formatTimestamp(timeMs)},"${formatValue(value)}"]`
        : `"histogram":${encodeHistogramPoint({ timeMs, histogram })}`
    sink.write(`${separator}{"metric":${encodeLabels(labels)},${point}}`)
    separator = ','
  }
  sink.write(samples.length === 0 ? '[]' : ']')
}

let points: PointWriter | undefined

function writeMatrix(sink: TextSink, series: readonly ResultSeries[]): void {
  points ??= new PointWriter()
  const take = (text: Uint8Array) => sink.writeBytes(text)
  let separator = '['
  for (const { labels, times, values, histograms } of series) {
    sink.write(`${separator}{"metric":${encodeLabels(labels)}${times.length > 0 ? ',"values":[' : ''}`)
    separator = ','
    points.write(times, values, take)
    if (times.length > 0) sink.writeAscii(']')
    if (histograms !== undefined) sink.write(`,"histograms":[${histograms.map(encodeHistogramPoint).join(',')}]`)
    sink.writeAscii('}')
  }
  sink.write(series.length === 0 ? '[]' : ']')
}

/** `{"__name__":"up","job":"a"}`, in the label set's order. */
export function encodeLabels(labels: Labels): string {
  let text = ''
  for (let i = 0; i < labels.length; i += 2)
    text += `${text === '' ? '{' : ','}${JSON.stringify(labels[i])}:${JSON.stringify(labels[i + 1])}`
  return text === '' ? '{}' : `${text}}`
}

const leastBytes = 16 << 10
const mostBytes = 512 << 10

/** Text that becomes UTF-8 as it comes, in pieces: nothing is moved when there is more of it. */
class TextSink {
  readonly #pieces: Uint8Array<ArrayBuffer>[] = []
  #bytes = allocate(leastBytes)
  #length = 0

  write(text: string): void {
    // UTF-8 takes three bytes for a UTF-16 code unit at most.
    this.#reserve(text.length * 3)
    this.#length += this.#bytes.write(text, this.#length, 'utf8')
  }

  writeAscii(text: string): void {
    this.#reserve(text.length)
    this.#length += this.#bytes.write(text, this.#length, 'latin1')
  }

  writeBytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** What was written; each piece has a buffer of its own. */
  finish(): Uint8Array<ArrayBuffer>[] {
    this.#pieces.push(new Uint8Array(this.#bytes.buffer, 0, this.#length))
    return this.#pieces
  }

  #reserve(count: number): void {
    const { length } = this.#bytes
    if (this.#length + count <= length) return
    this.finish()
    this.#bytes = allocate(Math.max(count, Math.min(2 * length, mostBytes)))
    this.#length = 0
  }
}

function allocate(bytes: number): Buffer<ArrayBuffer> {
  return Buffer.allocUnsafeSlow(bytes)
}
