// A StoreAPI over real gRPC on loopback: what goes in comes out; cancels, slow consumers, errors and broken frames.
import { once } from 'node:events'
import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import { afterEach, expect, test } from 'vitest'
import { type ErrorCode, MnemoError } from '../../../lib/kit/errors.ts'
import { startGrpc } from '../../../lib/kit/grpc.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { Registry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'
import { createStoreClient, type StoreClient } from '../../../lib/storeapi/client.ts'
import { storeMethods } from '../../../lib/storeapi/methods.ts'
import { storeService } from '../../../lib/storeapi/server.ts'
import {
  type LabelsRequest,
  noBoundMs,
  type SeriesRequest,
  type SeriesResponse,
  type StoreApi,
  type StoreInfo,
} from '../../../lib/storeapi/types.ts'

const info: StoreInfo = {
  labelSets: [['replica', 'a'], []],
  componentType: 'store',
  store: {
    minTime: -noBoundMs,
    maxTime: noBoundMs,
    supportsSharding: true,
    supportsWithoutReplicaLabels: true,
    tsdbInfos: [{ labels: ['replica', 'a'], minTime: 5, maxTime: noBoundMs }],
  },
}
const request: SeriesRequest = { minTime: 0, maxTime: 10, matchers: [{ type: '=', name: 'a', value: 'b' }] }
const forever = new AbortController().signal
const cleanups: (() => void | Promise<void>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function serve(api: Partial<StoreApi>): Promise<{ client: StoreClient; registry: Registry }> {
  const unused = () => Promise.reject(new MnemoError('unsupported', 'cannot answer: not part of this test'))
  const whole: StoreApi = {
    info: unused,
    labelNames: unused,
    labelValues: unused,
    series: async function* () {},
    ...api,
  }
  const registry = new Registry()
  const stop = new AbortController()
  const server = await startGrpc(
    {
      address: '127.0.0.1:0',
      registry,
      probe: new Probe(),
      logger: createLogger({ level: 'silent' }),
      signal: stop.signal,
      graceMs: 0,
    },
    storeService(whole),
  )
  const client = createStoreClient(server.address)
  cleanups.push(
    () => server.close(),
    () => client.close(),
  )
  return { client, registry }
}

function seriesOf(i: number, chunkBytes = 100): SeriesResponse {
  const chunk = { minTime: i, maxTime: i + 1, raw: { type: 0, data: new Uint8Array(chunkBytes).fill(i), hash: 7n } }
  return { kind: 'series', series: { labels: ['a', String(i).padStart(6, '0')], chunks: [chunk] } }
}

async function collect(stream: AsyncIterable<SeriesResponse>): Promise<SeriesResponse[]> {
  const all: SeriesResponse[] = []
  for await (const response of stream) all.push(response)
  return all
}

async function codeOf(work: Promise<unknown>): Promise<ErrorCode | 'nothing'> {
  try {
    await work
  } catch (error) {
    if (error instanceof MnemoError) return error.code
    throw error
  }
  return 'nothing'
}

test('info, label names and label values', async () => {
  const asked: unknown[] = []
  const { client } = await serve({
    info: async () => info,
    labelNames: async (labelsRequest) => {
      asked.push(labelsRequest)
      return { values: ['a', ''], warnings: ['one'] }
    },
    labelValues: async (label, labelsRequest) => {
      asked.push(label, labelsRequest)
      return { values: [], warnings: [] }
    },
  })
  const labelsRequest: LabelsRequest = {
    minTime: -noBoundMs,
    maxTime: 7,
    matchers: request.matchers,
    partialResponseDisabled: true,
    withoutReplicaLabels: ['r'],
    limit: 2,
  }
  expect(await client.info(forever)).toEqual(info)
  expect(await client.labelNames(labelsRequest, forever)).toEqual({ values: ['a', ''], warnings: ['one'] })
  expect(await client.labelValues('x', labelsRequest, forever)).toEqual({ values: [], warnings: [] })
  expect(asked).toEqual([labelsRequest, 'x', labelsRequest])
})

test.each([0, 1, 2, 64])('series, warnings and hints arrive in order: batch size %i', async (responseBatchSize) => {
  const sent: SeriesResponse[] = [
    ...Array.from({ length: 150 }, (_, i) => seriesOf(i)),
    { kind: 'warning', warning: 'a block is corrupt' },
    seriesOf(200),
    { kind: 'hints', queriedBlocks: ['01A'] },
  ]
  let asked: SeriesRequest | undefined
  const { client, registry } = await serve({
    async *series(received) {
      asked = received
      yield* sent
    },
  })
  const wanted = { ...request, ...(responseBatchSize > 0 && { responseBatchSize }) }
  expect(await collect(client.series(wanted, forever))).toEqual(sent)
  expect(asked).toEqual(wanted)
  expect(await registry.getSingleMetricAsString('grpc_server_handled_total')).toContain(
    'grpc_server_handled_total{grpc_type="server_stream",grpc_service="thanos.Store",grpc_method="Series",grpc_code="OK"} 1',
  )
})

test('an error after some series reaches the client with its code, after the series', async () => {
  const { client } = await serve({
    async *series() {
      yield seriesOf(1)
      throw new MnemoError('resource_exhausted', 'cannot read more: got 3 series, want at most 2')
    },
  })
  const got: SeriesResponse[] = []
  const work = (async () => {
    for await (const response of client.series(request, forever)) got.push(response)
  })()
  await expect(work).rejects.toMatchObject({
    code: 'resource_exhausted',
    message: expect.stringMatching(/^cannot read series from 127\.0\.0\.1:\d+: cannot read more: got 3 series/),
  })
  expect(got).toEqual([seriesOf(1)])
})

test.each(['bad_data', 'not_found', 'unsupported', 'unavailable', 'internal'] as const)(
  'a call that fails with %s',
  async (code) => {
    const { client } = await serve({ info: () => Promise.reject(new MnemoError(code, 'cannot')) })
    expect(await codeOf(client.info(forever))).toBe(code)
  },
)

test('a peer that is not there is unavailable', async () => {
  const { client } = await serve({})
  await cleanups[0]?.()
  expect(await codeOf(collect(client.series(request, forever)))).toBe('unavailable')
  expect(await codeOf(client.info(forever))).toBe('unavailable')
})

test('an abort ends the call on both sides', async () => {
  const ended = Promise.withResolvers<unknown>()
  const { client, registry } = await serve({
    async *series(_request, signal) {
      yield seriesOf(1)
      await once(signal, 'abort')
      ended.resolve(signal.reason)
      signal.throwIfAborted()
    },
  })
  const abort = new AbortController()
  const work = (async () => {
    for await (const _ of client.series(request, abort.signal)) abort.abort()
  })()
  expect(await codeOf(work)).toBe('canceled')
  expect(await ended.promise).toMatchObject({ code: 'canceled' })
  expect(await codeOf(collect(client.series(request, abort.signal)))).toBe('canceled')
  expect(await registry.getSingleMetricAsString('grpc_server_handled_total')).toContain('grpc_code="Canceled"} 1')
})

test('an abort keeps its reason; a timeout is a timeout', async () => {
  const { client } = await serve({ info: (signal) => once(signal, 'abort') as never })
  expect(await codeOf(client.info(AbortSignal.timeout(20)))).toBe('timeout')
  const abort = new AbortController()
  const work = client.info(abort.signal)
  abort.abort(new MnemoError('execution', 'cannot go on'))
  expect(await codeOf(work)).toBe('execution')
})

test('a caller that stops early ends the call', async () => {
  const ended = Promise.withResolvers<void>()
  const { client } = await serve({
    async *series(_request, signal) {
      signal.addEventListener('abort', () => ended.resolve())
      for (let i = 0; !signal.aborted; i++) yield seriesOf(i)
    },
  })
  for await (const _ of client.series({ ...request, responseBatchSize: 8 }, forever)) break
  await ended.promise
})

test('a slow consumer holds the server back, and gets everything', async () => {
  const total = 400
  const chunkBytes = 256 << 10
  let produced = 0
  const { client } = await serve({
    async *series() {
      for (; produced < total; produced++) yield seriesOf(produced, chunkBytes)
    },
  })
  const stream = client.series({ ...request, responseBatchSize: 64 }, forever)[Symbol.asyncIterator]()
  await stream.next()
  await settled(() => produced)
  // The window (16 MiB), the queues of both ends, and no more: far from 100 MiB.
  expect(produced * chunkBytes).toBeLessThan(40 << 20)
  let received = 1
  while (!(await stream.next()).done) received++
  expect(received).toBe(total)
})

/** Waits until a count no longer grows. */
async function settled(count: () => number): Promise<void> {
  for (let last = -1; last !== count(); ) {
    last = count()
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

test('a large series goes out in parts and no frame is large', async () => {
  const chunks = Array.from({ length: 100 }, (_, i) => ({
    minTime: i,
    maxTime: i,
    raw: { type: 0, data: new Uint8Array(4096).fill(i), hash: BigInt(i) },
  }))
  const { client } = await serve({
    async *series() {
      yield seriesOf(1)
      yield { kind: 'series', series: { labels: ['a', 'b'], chunks } }
      yield seriesOf(2)
    },
  })
  const parts: number[] = []
  const got: unknown[] = []
  for await (const response of client.series({ ...request, responseBatchSize: 64 }, forever)) {
    if (response.kind !== 'series' || response.series.labels[1] !== 'b') continue
    parts.push(response.series.chunks.length)
    got.push(...response.series.chunks)
  }
  expect(got).toEqual(chunks)
  expect(parts.length).toBeGreaterThan(5)
  expect(Math.max(...parts)).toBeLessThan(17)
})

test('a frame that is cut short is corrupt, with the peer and the offset in its message', async () => {
  const server = new Server()
  server.addService(storeMethods, {
    Series: (call: { write(frame: Buffer): void; end(): void }) => {
      call.write(Buffer.from([0x0a, 5, 0x0a, 9, 1, 2, 3]))
      call.end()
    },
    LabelNames: (_call: unknown, callback: (error: null, bytes: Buffer) => void) => callback(null, Buffer.from([0x0a])),
    LabelValues: (_call: unknown, callback: (error: object) => void) =>
      callback({ code: status.ABORTED, details: 'x' }),
  })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
  const client = createStoreClient(`127.0.0.1:${port}`)
  cleanups.push(
    () => server.forceShutdown(),
    () => client.close(),
  )
  await expect(collect(client.series(request, forever))).rejects.toMatchObject({
    code: 'corrupt',
    message: `cannot read series from 127.0.0.1:${port}`,
    cause: { message: expect.stringContaining('at offset 4: got 3 bytes, want 9') },
  })
  expect(await codeOf(client.labelNames(request, forever))).toBe('corrupt')
  expect(await codeOf(client.labelValues('a', request, forever))).toBe('internal')
  expect(await codeOf(client.info(forever))).toBe('unsupported')
})

test('a message beyond the receive limit is refused', async () => {
  const { client } = await serve({
    async *series() {
      yield seriesOf(1, 100_000)
    },
  })
  const small = createStoreClient(client.address, { maxReceiveBytes: 50_000 })
  cleanups.push(() => small.close())
  expect(await codeOf(collect(small.series(request, forever)))).toBe('resource_exhausted')
})
