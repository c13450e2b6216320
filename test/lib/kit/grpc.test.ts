// The gRPC server: health, an address that is taken, draining; statuses and codes in both directions.
import { Client, credentials, type ServerWritableStream, status } from '@grpc/grpc-js'
import { afterEach, expect, test } from 'vitest'
import { grpc as proto } from '../../../build/proto.js'
import { type ErrorCode, errorKinds, MnemoError } from '../../../lib/kit/errors.ts'
import {
  errorOfStatus,
  type GrpcOptions,
  type GrpcService,
  grpcOptionsOf,
  startGrpc,
  statusOfError,
} from '../../../lib/kit/grpc.ts'
import { healthDefinition } from '../../../lib/kit/grpc-health.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { Registry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'

const { SERVING, NOT_SERVING } = proto.health.v1.HealthCheckResponse.ServingStatus
const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

const same = (bytes: Buffer) => bytes
const codec = {
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
}

async function start(services: readonly GrpcService[], options: Partial<GrpcOptions> = {}) {
  const probe = new Probe()
  const abort = new AbortController()
  const registry = new Registry()
  const server = await startGrpc(
    {
      address: '127.0.0.1:0',
      registry,
      probe,
      logger: createLogger({ level: 'silent' }),
      signal: abort.signal,
      graceMs: 2000,
      ...options,
    },
    services,
  )
  const client = new Client(server.address, credentials.createInsecure())
  stops.push(
    () => server.close(),
    () => client.close(),
  )
  return { server, probe, abort, registry, client }
}

function check(client: Client, service: string): Promise<number> {
  const { path, requestSerialize, responseDeserialize } = healthDefinition.Check
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, (error, serving) =>
      error ? reject(error) : resolve(serving!),
    ),
  )
}

const echo: GrpcService = {
  definition: { Echo: { path: '/test.Echo/Echo', requestStream: false, responseStream: false, ...codec } },
  implementation: { Echo: (call: { request: Buffer }, done: (e: null, r: Buffer) => void) => done(null, call.request) },
}

test('health follows the probe, for the server and for each service', async () => {
  const { client, probe } = await start([echo])
  expect(await check(client, '')).toBe(NOT_SERVING)
  probe.ready()
  expect(await check(client, '')).toBe(SERVING)
  expect(await check(client, 'test.Echo')).toBe(SERVING)
  await expect(check(client, 'test.Other')).rejects.toMatchObject({ code: status.NOT_FOUND })
  probe.notHealthy('stuck')
  expect(await check(client, '')).toBe(NOT_SERVING)
})

test('a watcher hears of changes, and of the stop', async () => {
  const { client, probe, abort, server } = await start([])
  const { path, requestSerialize, responseDeserialize } = healthDefinition.Watch
  const watch = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service: '' })
  const heard: number[] = []
  for await (const serving of watch) {
    heard.push(serving)
    if (heard.length === 1) probe.ready()
    if (heard.length === 2) abort.abort()
  }
  expect(heard).toEqual([NOT_SERVING, SERVING, NOT_SERVING])
  await server.close()
})

test('a running call ends after the signal; one that outlives the grace period is cut', async () => {
  const calls: ServerWritableStream<Buffer, Buffer>[] = []
  const slow: GrpcService = {
    definition: { Slow: { path: '/test.Slow/Slow', requestStream: false, responseStream: true, ...codec } },
    implementation: {
      Slow: (call: ServerWritableStream<Buffer, Buffer>) => {
        calls.push(call)
        call.write(Buffer.from('begun'))
      },
    },
  }
  const { client, abort, server, registry } = await start([slow], { graceMs: 300 })
  const call = () => client.makeServerStreamRequest('/test.Slow/Slow', same, same, Buffer.alloc(0))
  const [ends, stuck] = [call(), call()].map((stream) => stream[Symbol.asyncIterator]())
  await ends!.next()
  await stuck!.next()
  abort.abort()
  calls[0]!.write(Buffer.from('finished'))
  calls[0]!.end()
  expect(String((await ends!.next()).value)).toBe('finished')
  expect((await ends!.next()).done).toBe(true)
  await Promise.all([expect(stuck!.next()).rejects.toThrow(), server.close()])
  expect(await registry.getSingleMetricAsString('grpc_server_handled_total')).toContain('grpc_code="OK"} 1')
})

test('an address that is taken is a configuration error', async () => {
  const { server } = await start([])
  await expect(start([], { address: server.address })).rejects.toMatchObject({ code: 'config' })
})

test('half of a TLS pair, or a file that is not there, is a configuration error', async () => {
  const values = {
    grpcAddress: '127.0.0.1:0',
    grpcGracePeriodMs: 1,
    grpcMaxConnectionAgeMs: 1,
    grpcServerTlsCert: '/nowhere.pem',
    grpcServerTlsKey: '',
    grpcServerTlsClientCa: '',
    grpcServerTlsMinVersion: '1.3' as const,
    grpcServerTlsCiphers: [],
    grpcServerTlsCurves: [],
  }
  expect(() => grpcOptionsOf(values)).toThrow(MnemoError)
  const options = grpcOptionsOf({ ...values, grpcServerTlsKey: '/nowhere.key' })
  await expect(start([], options)).rejects.toMatchObject({ code: 'config' })
})

test('every code survives the wire, where a status has one code alone', () => {
  for (const code of Object.keys(errorKinds) as ErrorCode[]) {
    const sent = statusOfError(new MnemoError(code, 'cannot do it'))
    const got = errorOfStatus({ ...sent, metadata: sent.metadata! }, 'call peer')
    expect(got.code).toBe(code === 'config' ? 'execution' : code)
    expect(got.message).toBe(`cannot call peer: cannot do it${code === 'internal' ? ' (status INTERNAL)' : ''}`)
  }
})
