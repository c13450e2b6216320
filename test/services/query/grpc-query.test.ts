// The gRPC Query API: requests as bytes in, frames out, and what is refused.
// Subject: services/query/grpc-query.ts, frames.ts, lib/storeapi/query-messages.ts, over a backend of the test. Owns nothing.
import { Client, credentials } from '@grpc/grpc-js'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { thanos } from '../../../build/proto.js'
import type { Histogram } from '../../../lib/histogram/histogram.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { type GrpcServer, startGrpc } from '../../../lib/kit/grpc.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'
import { ProtoReader } from '../../../lib/storeapi/proto-reader.ts'
import { ProtoWriter } from '../../../lib/storeapi/proto-writer.ts'
import { queryMethods } from '../../../lib/storeapi/query-messages.ts'
import type { QueryRequest } from '../../../services/query/api/backend.ts'
import { encodeFrames } from '../../../services/query/frames.ts'
import { queryService } from '../../../services/query/grpc-query.ts'

const labels = ['__name__', 'up', 'job', 'x']
const matrix = {
  type: 'matrix',
  series: ['1', '2', '3'].map((n) => ({
    labels: [...labels, 'n', n],
    times: Float64Array.of(-15_000, 1_700_000_000_123),
    values: Float64Array.of(Number(n), Number.NEGATIVE_INFINITY),
  })),
  warnings: ['store a is down'],
  infos: [],
} as const
const vector = {
  type: 'vector',
  samples: [{ labels, timeMs: 5, value: 1.5 }],
  warnings: [],
  infos: [],
} as const

let asked: QueryRequest | undefined
let server: GrpcServer
let client: Client

beforeAll(async () => {
  const logger = createLogger({ level: 'silent' })
  const backend = {
    async queryFrames(request: QueryRequest, batchSize: number) {
      asked = request
      if (request.query === 'fails') throw new MnemoError('execution', 'no such thing')
      return encodeFrames(request.stepMs > 0 ? matrix : vector, batchSize)
    },
  }
  const options = { address: '127.0.0.1:0', registry: createRegistry(), probe: new Probe(), logger, graceMs: 0 }
  const services = [queryService({ backend, replicaLabels: ['replica'], logger })]
  server = await startGrpc({ ...options, signal: new AbortController().signal }, services)
  client = new Client(server.address, credentials.createInsecure())
})
afterAll(async () => {
  client.close()
  await server.close()
})
beforeEach(() => {
  asked = undefined
})

async function call(name: keyof typeof queryMethods, write: (writer: ProtoWriter) => void): Promise<Buffer[]> {
  const writer = new ProtoWriter()
  write(writer)
  const { path, requestSerialize, responseDeserialize } = queryMethods[name]
  const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, writer.finish())
  return Array.fromAsync(stream as AsyncIterable<Buffer>)
}

/** Frames as plain data: ["warning", text] or ["series", labels, samples], batches as ["batch", …series]. */
function read(frame: Buffer): unknown[] {
  const reader = new ProtoReader('QueryResponse', frame)
  const found: unknown[] = []
  reader.fields((tag) => {
    if (tag === 0x0a) found.push('warning', reader.string())
    else if (tag === 0x12) found.push('series', ...readSeries(reader))
    else if (tag === 0x22) {
      found.push('batch')
      reader.nested(() => found.push(readSeries(reader)))
    } else reader.skip(tag)
  })
  return found
}

function readSeries(reader: ProtoReader): unknown[] {
  const pairs: string[] = []
  const samples: number[][] = []
  reader.nested((tag) => {
    if (tag === 0x0a) reader.nested(() => pairs.push(reader.string()))
    else {
      const sample = [0, 0]
      reader.nested((inner) => {
        if (inner === 0x09) sample[1] = new Float64Array(BigUint64Array.of(reader.doubleBits()).buffer)[0]!
        else sample[0] = reader.int64()
      })
      samples.push(sample)
    }
  })
  return [pairs, samples]
}

test('an instant query', async () => {
  const frames = await call('Query', (writer) => {
    writer.stringField(1, 'up')
    writer.intField(2, 1_700_000_000)
    writer.intField(3, 30)
    writer.intField(4, 300)
    writer.stringElement(5, 'pod')
    writer.message(6, (set) => set.message(1, (m) => { m.stringField(2, '__address__'); m.stringField(3, 'a:1') })) // biome-ignore format: one line
    writer.boolField(7, true)
    writer.boolField(8, true)
    writer.intField(12, 60)
  })
  expect(frames.map(read)).toEqual([['series', labels, [[5, 1.5]]]])
  expect(asked).toEqual({
    scope: {
      replicaLabels: ['pod'],
      partialResponse: true,
      storeMatchers: [[{ type: '=', name: '__address__', value: 'a:1' }]],
    },
    query: 'up',
    startMs: 1_700_000_000_000,
    endMs: 1_700_000_000_000,
    stepMs: 0,
    timeoutMs: 30_000,
    lookbackMs: 60_000,
    maxSourceResolutionMs: 300_000,
    limit: 0,
  })
})

describe('a range query', () => {
  const write = (writer: ProtoWriter, batchSize = 0) => {
    writer.stringField(1, 'up')
    writer.intField(2, 1_000)
    writer.intField(3, 2_000)
    writer.intField(4, 15)
    writer.boolField(9, true)
    writer.intField(17, batchSize)
  }
  const points = (n: number) => [[...labels, 'n', String(n)], [[-15_000, n], [1_700_000_000_123, -Infinity]]] // biome-ignore format: a point

  test('warnings, then a series a frame', async () => {
    const frames = await call('QueryRange', (writer) => write(writer))
    const want = [1, 2, 3].map((n) => ['series', ...points(n)])
    expect(frames.map(read)).toEqual([['warning', 'store a is down'], ...want])
    expect(asked).toMatchObject({ startMs: 1_000_000, endMs: 2_000_000, stepMs: 15_000 })
    expect(asked!.scope).toMatchObject({ replicaLabels: ['replica'], partialResponse: false })
  })

  test('in batches of the size that was asked for', async () => {
    const frames = await call('QueryRange', (writer) => write(writer, 2))
    expect(frames.slice(1).map(read)).toEqual([
      ['batch', points(1), points(2)],
      ['batch', points(3)],
    ])
  })
})

describe('is refused', () => {
  const range = (query: string, startSeconds: number, stepSeconds: number) => (writer: ProtoWriter) => {
    writer.stringField(1, query)
    writer.intField(2, startSeconds)
    writer.intField(3, 10)
    writer.intField(4, stepSeconds)
  }
  test.each([
    ['what does not parse', 'up{', 5, 1, 3, 'parse error'],
    ['a step of none', 'up', 5, 0, 3, 'got step 0 ms'],
    ['an end before the start', 'up', 11, 1, 3, 'end before the start'],
    ['a range of a range', 'up[5m]', 5, 1, 3, 'of type matrix'],
    ['a plan without a text', '', 5, 1, 12, 'want PromQL'],
    ['what fails', 'fails', 5, 1, 9, 'no such thing'],
  ])('%s', async (_what, query, startSeconds, stepSeconds, code, details) => {
    const answer = call('QueryRange', range(query, startSeconds, stepSeconds))
    await expect(answer).rejects.toMatchObject({ code, details: expect.stringContaining(details) })
  })

  test('a shard of a query', async () => {
    const answer = call('Query', (writer) => {
      writer.stringField(1, 'up')
      writer.message(11, (shard) => shard.intField(2, 3))
    })
    await expect(answer).rejects.toMatchObject({ code: 12, details: expect.stringContaining('one of 3 shards') })
  })
})

test('native histograms, beside floats and alone, as the generated code reads them', () => {
  const standard: Histogram = {
    hint: 'gauge',
    schema: -4,
    zeroThreshold: 0.5,
    zeroCount: 0,
    count: 0,
    sum: Number.NaN,
    positive: { indexes: [-3, -2, 5], counts: [1, 2.5, 0] },
    negative: { indexes: [0], counts: [-1] },
    customBounds: [],
  }
  const custom: Histogram = {
    ...standard,
    hint: 'not_reset',
    schema: -53,
    zeroThreshold: 0,
    count: 3,
    sum: 0,
    positive: { indexes: [1, 2], counts: [1, 2] },
    negative: { indexes: [], counts: [] },
    customBounds: [0.5, 1],
  }
  const histograms = [{ timeMs: -1, histogram: standard }, { timeMs: 7, histogram: custom }] // biome-ignore format: points
  const mixed = { labels, times: Float64Array.of(5), values: Float64Array.of(1), histograms }
  const { frames } = encodeFrames({ ...matrix, series: [mixed] }, 0)
  const { timeseries } = thanos.QueryRangeResponse.decode(frames[0]!)
  expect(timeseries!.samples).toHaveLength(1)
  const [first, second] = timeseries!.histograms!.map((one) => JSON.parse(JSON.stringify(one)))
  expect(first).toMatchObject({
    countFloat: 0,
    sum: null,
    schema: -4,
    zeroThreshold: 0.5,
    zeroCountFloat: 0,
    negativeSpans: [{ length: 1 }],
    negativeCounts: [-1],
    positiveSpans: [{ offset: -3, length: 2 }, { offset: 6, length: 1 }], // biome-ignore format: spans
    positiveCounts: [1, 2.5, 0],
    resetHint: 3,
  })
  expect(second).toMatchObject({ countFloat: 3, schema: -53, resetHint: 2, customValues: [0.5, 1] })
  expect(timeseries!.histograms!.map(({ timestamp }) => String(timestamp))).toEqual(['-1', '7'])
  const sample = { labels, timeMs: 7, value: Number.NaN, histogram: custom }
  const alone = thanos.QueryResponse.decode(encodeFrames({ ...vector, samples: [sample] }, 0).frames[0]!)
  expect(alone.timeseries!.samples).toEqual([])
  expect(alone.timeseries!.histograms).toHaveLength(1)
})
