// The codec of the gRPC Query API: QueryRequest and QueryRangeRequest, and the frames of their answers.
// Specification: Thanos pkg/api/query/querypb/query.proto; a series is prometheus_copy.TimeSeries. Field numbers stand beside each read and write.
// Owns nothing; requests are checked for what cannot be, queries are not parsed here.
import type { MethodDefinition } from '@grpc/grpc-js'
import { MnemoError } from '../kit/errors.ts'
import type { Labels } from '../labels/labels.ts'
import type { LabelMatcher } from '../labels/matcher.ts'
import { unaryOrStream } from './methods.ts'
import { ProtoReader } from './proto-reader.ts'
import { ProtoWriter } from './proto-writer.ts'
import { type AnsweredHistogram, writeHistogram } from './query-histograms.ts'
import { append, appendMatcher } from './series-request.ts'

export const queryMethods: Readonly<Record<'Query' | 'QueryRange', MethodDefinition<Buffer, Buffer>>> = {
  Query: unaryOrStream('/thanos.Query/Query', true),
  QueryRange: unaryOrStream('/thanos.Query/QueryRange', true),
}

/** A query as it came over gRPC. */
export interface GrpcQuery {
  readonly query: string
  /** ms; 0 for start where an instant query names no time. */
  readonly startMs: number
  readonly endMs: number
  /** 0: an instant query. */
  readonly stepMs: number
  /** 0: the querier's own. */
  readonly timeoutMs: number
  readonly lookbackMs: number
  readonly maxSourceResolutionMs: number
  /** Empty: the querier's own. */
  readonly replicaLabels: readonly string[]
  readonly storeMatchers: readonly (readonly LabelMatcher[])[]
  readonly isDeduplicated: boolean
  readonly partialResponse: boolean
  /** Series a frame; below 2: one, unbatched. */
  readonly batchSize: number
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Field numbers of what both requests have, in QueryRequest and in QueryRangeRequest. */
const instantFields = { timeout: 3, resolution: 4, replicas: 5, stores: 6, dedup: 7, partial: 8, shard: 11, lookback: 12, batch: 15 } // biome-ignore format: a table
const rangeFields = { timeout: 5, resolution: 6, replicas: 7, stores: 8, dedup: 9, partial: 10, shard: 13, lookback: 14, batch: 17 } // biome-ignore format: a table

/** A QueryRequest (stepMs 0). Throws `corrupt`, `bad_data` or `unsupported`. */
export function decodeQueryRequest(bytes: Uint8Array): GrpcQuery {
  return decode(new ProtoReader('QueryRequest', bytes), instantFields, (field, seconds, into) => {
    if (field === 2) into.startMs = into.endMs = seconds() * 1000
    else return false
    return true
  })
}

/** A QueryRangeRequest. Throws `corrupt`, `bad_data` or `unsupported`. */
export function decodeQueryRangeRequest(bytes: Uint8Array): GrpcQuery {
  const request = decode(new ProtoReader('QueryRangeRequest', bytes), rangeFields, (field, seconds, into) => {
    if (field === 2) into.startMs = seconds() * 1000
    else if (field === 3) into.endMs = seconds() * 1000
    else if (field === 4) into.stepMs = seconds() * 1000
    else return false
    return true
  })
  if (request.stepMs <= 0)
    throw new MnemoError('bad_data', `cannot query range: got step ${request.stepMs} ms, want more than 0`)
  if (request.endMs < request.startMs)
    throw new MnemoError('bad_data', 'cannot query range: got an end before the start')
  return request
}

function decode(
  reader: ProtoReader,
  fields: typeof instantFields | typeof rangeFields,
  readTime: (field: number, seconds: () => number, into: Mutable<GrpcQuery>) => boolean,
): GrpcQuery {
  const replicaLabels: string[] = []
  const storeMatchers: LabelMatcher[][] = []
  const into: Mutable<GrpcQuery> = {
    query: '',
    startMs: 0,
    endMs: 0,
    stepMs: 0,
    timeoutMs: 0,
    lookbackMs: 0,
    maxSourceResolutionMs: 0,
    replicaLabels,
    storeMatchers,
    isDeduplicated: false,
    partialResponse: false,
    batchSize: 0,
  }
  reader.fields((tag) => {
    const field = tag >>> 3
    const isNumber = (tag & 7) === 0
    const isBytes = (tag & 7) === 2
    if (isBytes && field === 1) into.query = reader.string()
    else if (isBytes && field === fields.replicas) append(replicaLabels, reader.string(), 'replica labels')
    else if (isBytes && field === fields.stores) append(storeMatchers, readMatchers(reader), 'store matchers')
    else if (isBytes && field === fields.shard) refuseShard(reader)
    else if (isNumber && field === fields.timeout) into.timeoutMs = reader.int64() * 1000
    else if (isNumber && field === fields.resolution) into.maxSourceResolutionMs = reader.int64() * 1000
    else if (isNumber && field === fields.dedup) into.isDeduplicated = reader.bool()
    else if (isNumber && field === fields.partial) into.partialResponse = reader.bool()
    else if (isNumber && field === fields.lookback) into.lookbackMs = reader.int64() * 1000
    else if (isNumber && field === fields.batch) into.batchSize = reader.int64()
    else if (!(isNumber && readTime(field, () => reader.int64(), into))) reader.skip(tag)
  })
  return into
}

function readMatchers(reader: ProtoReader): LabelMatcher[] {
  const matchers: LabelMatcher[] = []
  reader.nested((tag) => {
    if (tag === 0x0a) appendMatcher(matchers, reader)
    else reader.skip(tag)
  })
  return matchers
}

function refuseShard(reader: ProtoReader): void {
  reader.nested((tag) => {
    if (tag !== 0x10) return reader.skip(tag)
    const total = reader.int64()
    if (total > 1) throw new MnemoError('unsupported', `cannot query one of ${total} shards: want a whole query`)
  })
}

/** A frame with a warning. */
export function encodeQueryWarning(warning: string): Buffer {
  const writer = new ProtoWriter()
  writer.stringElement(1, warning)
  return writer.finish()
}

/** A series of an answer: times and values of floats side by side, then its histograms. */
export interface AnsweredSeries {
  readonly labels: Labels
  readonly times: ArrayLike<number>
  readonly values: ArrayLike<number>
  readonly histograms?: readonly AnsweredHistogram[]
}

/** The frames of an answer's series, so many in each as the request says. */
export function encodeQuerySeries(series: readonly AnsweredSeries[], batchSize: number): Buffer[] {
  if (batchSize <= 1) return series.map((one) => frame((writer) => writeSeries(writer, 2, one)))
  const frames: Buffer[] = []
  for (let start = 0; start < series.length; start += batchSize) {
    const batch = series.slice(start, start + batchSize)
    frames.push(
      frame((writer) =>
        writer.message(4, (nested) => {
          for (const one of batch) writeSeries(nested, 1, one)
        }),
      ),
    )
  }
  return frames
}

function frame(write: (writer: ProtoWriter) => void): Buffer {
  const writer = new ProtoWriter(1024)
  write(writer)
  return writer.finish()
}

const doubleField1 = 0x09

function writeSeries(
  writer: ProtoWriter,
  field: number,
  { labels, times, values, histograms = [] }: AnsweredSeries,
): void {
  writer.message(field, (series) => {
    for (let i = 0; i < labels.length; i += 2)
      series.message(1, (label) => {
        label.stringField(1, labels[i]!)
        label.stringField(2, labels[i + 1]!)
      })
    const bits = Buffer.alloc(8)
    for (let i = 0; i < times.length; i++)
      series.message(2, (sample) => {
        bits.writeDoubleLE(values[i]!)
        sample.varint(doubleField1)
        sample.raw(bits)
        sample.intField(2, times[i]!)
      })
    for (const one of histograms) series.message(4, (nested) => writeHistogram(nested, one))
  })
}
