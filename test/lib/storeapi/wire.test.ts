// What Thanos's gRPC does that others seldom do: a series of 50 MB in one frame, GOAWAY while a stream runs, pings every few
// seconds, messages packed by snappy. Over real connections on loopback.
import { once } from 'node:events'
import { connect } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { afterEach, expect, test } from 'vitest'
import { xxhash64 } from '../../../lib/kernels/xxhash.ts'
import { type GrpcOptions, startGrpc } from '../../../lib/kit/grpc.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { Registry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'
import { createStoreClient } from '../../../lib/storeapi/client.ts'
import { encodeSeriesResponse } from '../../../lib/storeapi/messages.ts'
import { storeMethods } from '../../../lib/storeapi/methods.ts'
import { storeService } from '../../../lib/storeapi/server.ts'
import type { SeriesRequest, StoreApi } from '../../../lib/storeapi/types.ts'

const forever = new AbortController().signal
const request: SeriesRequest = { minTime: 0, maxTime: 10, matchers: [{ type: '=', name: 'a', value: 'b' }] }
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function serve(series: StoreApi['series'], options: Partial<GrpcOptions> = {}) {
  const api: StoreApi = {
    info: async () => ({ labelSets: [], componentType: 'store' }),
    labelNames: async () => ({ values: ['a'], warnings: [] }),
    labelValues: async () => ({ values: [], warnings: [] }),
    series,
  }
  const stop = new AbortController()
  const server = await startGrpc(
    {
      address: '127.0.0.1:0',
      registry: new Registry(),
      probe: new Probe(),
      logger: createLogger({ level: 'silent' }),
      signal: stop.signal,
      graceMs: 0,
      ...options,
    },
    storeService(api),
  )
  const client = createStoreClient(server.address)
  cleanups.push(
    () => server.close(),
    () => client.close(),
  )
  return { server, client }
}

test('a series of 50 MB in one frame', async () => {
  const chunks = Array.from({ length: 500 }, (_, i) => {
    const data = new Uint8Array(100_000).map((_byte, at) => (i * 31 + at) & 0xff)
    return { minTime: i, maxTime: i, raw: { type: 0, data, hash: xxhash64(data) } }
  })
  const frame = Buffer.from(encodeSeriesResponse({ kind: 'series', series: { labels: ['a', 'b'], chunks } }))
  expect(frame.length).toBeGreaterThan(50_000_000)
  const server = new Server({ 'grpc.max_send_message_length': -1 })
  server.addService(storeMethods, {
    Series: (call: { write(bytes: Buffer): void; end(): void }) => {
      call.write(frame)
      call.end()
    },
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
  const [response, ...others] = await Array.fromAsync(client.series(request, forever))
  expect(others).toEqual([])
  const got = response!.kind === 'series' ? response!.series.chunks : []
  expect(got.map(({ raw }) => raw!.hash)).toEqual(chunks.map(({ raw }) => raw.hash))
  expect(got.every(({ raw }) => xxhash64(raw!.data) === raw!.hash)).toBe(true)
})

test('a connection that has come of age: the stream that runs goes on, the next call takes another connection', async () => {
  const { client } = await serve(
    async function* () {
      for (let i = 0; i < 8; i++) {
        await sleep(60)
        yield { kind: 'series', series: { labels: ['a', String(i)], chunks: [] } }
      }
    },
    { maxConnectionAgeMs: 100 },
  )
  expect(await Array.fromAsync(client.series(request, forever))).toHaveLength(8)
  expect(await client.labelNames(request, forever)).toEqual({ values: ['a'], warnings: [] })
})

test('a peer may ping as often as it likes, also without a call', async () => {
  const { server } = await serve(async function* () {})
  const session = connect(`http://${server.address}`)
  cleanups.push(() => session.destroy())
  let isClosed = false
  session.on('goaway', () => {
    isClosed = true
  })
  for (let i = 0; i < 200; i++) await new Promise((resolve) => session.ping(resolve))
  expect([isClosed, session.closed]).toEqual([false, false])
})

test('a message packed by snappy is refused in words that say so', async () => {
  const { server } = await serve(async function* () {})
  const session = connect(`http://${server.address}`)
  cleanups.push(() => session.destroy())
  const stream = session.request({
    ':method': 'POST',
    ':path': '/thanos.Store/LabelNames',
    'content-type': 'application/grpc',
    'grpc-encoding': 'snappy',
    te: 'trailers',
  })
  // Flag 1: packed; 3 bytes.
  stream.end(Buffer.from([1, 0, 0, 0, 3, 1, 0, 0]))
  const said: Record<string, unknown> = {}
  stream.on('response', (headers) => Object.assign(said, headers))
  stream.on('trailers', (trailers) => Object.assign(said, trailers))
  stream.resume()
  await once(stream, 'close')
  expect(said['grpc-status']).toBe('12')
  expect(decodeURIComponent(String(said['grpc-message']))).toMatch(/snappy/)
})
