// The sidecar's StoreAPI beside an HTTP server that answers as an old Prometheus does: samples instead of chunks; and
// beside one that answers what it should not.
// Owns the server.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { compress } from 'snappy'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { prometheus } from '../../../build/proto.js'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { parseFlags } from '../../../lib/kit/flags.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'
import type { LabelMatcher } from '../../../lib/labels/matcher.ts'
import { samplesContentType, streamedContentType } from '../../../lib/storeapi/remote-read.ts'
import type { StoreApi, StoreSeries } from '../../../lib/storeapi/types.ts'
import { flags } from '../../../services/sidecar/config.ts'
import { PrometheusClient } from '../../../services/sidecar/prometheus.ts'
import { PrometheusState } from '../../../services/sidecar/prometheus-state.ts'
import { sidecarStoreApi } from '../../../services/sidecar/store-api.ts'
import { samplesOf } from '../../support/chunk-samples.ts'
import { portOf } from '../../support/free-port.ts'

const signal = new AbortController().signal
const staleBits = 0x7ff0000000000002n
type Answer = (request: IncomingMessage, response: ServerResponse) => void

let answers: Record<string, Answer>
let server: ReturnType<typeof createServer>

beforeEach(async () => {
  answers = {
    '/p/metrics': (_, response) => response.end('x 1\nprometheus_tsdb_lowest_timestamp_seconds 1.5\ny 2\n'),
    '/p/api/v1/status/config': json({
      yaml: 'global:\n  external_labels:\n    version: 1.10\n    replica: a\n    on: yes\n',
    }),
    '/p/api/v1/labels': json(['__name__']),
  }
  server = createServer((request, response) => {
    const answer = answers[new URL(request.url!, 'http://x').pathname]
    if (answer) return answer(request, response)
    response.statusCode = 404
    response.end('no such page')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function json(data: unknown): Answer {
  return (_, response) => response.end(JSON.stringify({ status: 'success', data }))
}

function body(contentType: string, bytes: Uint8Array): Answer {
  return (_, response) => {
    response.setHeader('content-type', contentType)
    response.end(bytes)
  }
}

async function openApi(more: readonly string[] = []): Promise<{ api: StoreApi; state: PrometheusState }> {
  const url = `http://127.0.0.1:${portOf(server)}/p/`
  const config = parseFlags('sidecar', '', flags, [`--prometheus.url=${url}`, ...more])
  const client = new PrometheusClient(url, 500)
  const context = { logger: createLogger({ level: 'silent' }), registry: createRegistry(), probe: new Probe() }
  const state = new PrometheusState({ ...context, client, config, ships: false })
  await state.untilUp(signal)
  return { api: sidecarStoreApi(client, state, createKernels()), state }
}

async function read(api: StoreApi, matchers: readonly LabelMatcher[] = [{ name: 'job', type: '=', value: 'x' }]) {
  const series: StoreSeries[] = []
  for await (const response of api.series({ minTime: 0, maxTime: 9_000_000, matchers }, signal))
    if (response.kind === 'series') series.push(response.series)
  return series
}

const doubleOf = (bits: bigint) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(bits)
  return bytes
}

/** A Sample message by hand: a library might not keep a NaN's bits. */
function sampleBytes(timeMs: number, bits: bigint): Buffer {
  const time = prometheus.Sample.encode({ timestamp: timeMs }).finish()
  return Buffer.concat([Buffer.from([0x09]), doubleOf(bits), time])
}

const delimited = (tag: number, bytes: Uint8Array) => {
  const length: number[] = []
  for (let left = bytes.length; ; left = Math.floor(left / 128)) {
    length.push(left >= 128 ? (left % 128) | 128 : left)
    if (left < 128) return Buffer.concat([Buffer.from([tag, ...length]), bytes])
  }
}

async function sampledAnswer(
  series: readonly { labels: Record<string, string>; samples: readonly (readonly [number, bigint])[] }[],
): Promise<Answer> {
  const messages = series.map(({ labels, samples }) =>
    Buffer.concat([
      ...Object.entries(labels).map(([name, value]) =>
        delimited(0x0a, prometheus.Label.encode({ name, value }).finish()),
      ),
      ...samples.map(([time, bits]) => delimited(0x12, sampleBytes(time, bits))),
    ]),
  )
  const result = Buffer.concat(messages.map((message) => delimited(0x0a, message)))
  return body(samplesContentType, await compress(delimited(0x0a, result)))
}

const bitsOf = (value: number) => new BigUint64Array(new Float64Array([value]).buffer)[0]!

test('samples are cut into chunks of 120, every bit kept, series in order', async () => {
  const long = Array.from({ length: 250 }, (_, i) => [i * 1000, i === 100 ? staleBits : bitsOf(i / 3)] as const)
  answers['/p/api/v1/read'] = await sampledAnswer([
    { labels: { __name__: 'b', job: 'x', replica: 'inner' }, samples: long },
    { labels: { __name__: 'a', job: 'x' }, samples: [[7, bitsOf(-0)]] },
    { labels: { __name__: 'c', job: 'x' }, samples: [] },
  ])
  const { api } = await openApi()
  const [a, b, ...rest] = await read(api)
  expect(rest).toEqual([])
  expect(a!.labels).toEqual(['__name__', 'a', 'job', 'x', 'on', 'yes', 'replica', 'a', 'version', '1.10'])
  expect(samplesOf(a!.chunks)).toEqual([{ timeMs: 7, bits: bitsOf(-0) }])
  expect(b!.labels).toContain('b')
  expect(b!.labels).not.toContain('inner')
  expect(b!.chunks.map(({ minTime, maxTime }) => [minTime, maxTime])).toEqual([
    [0, 119_000],
    [120_000, 239_000],
    [240_000, 249_000],
  ])
  expect(samplesOf(b!.chunks)).toEqual(long.map(([timeMs, bits]) => ({ timeMs, bits })))
})

test('native histograms as samples are refused by name', async () => {
  const message = prometheus.ReadResponse.encode({
    results: [{ timeseries: [{ labels: [{ name: '__name__', value: 'h' }], histograms: [{ timestamp: 1, sum: 1 }] }] }],
  }).finish()
  answers['/p/api/v1/read'] = body(samplesContentType, await compress(Buffer.from(message)))
  const { api } = await openApi()
  await expect(read(api)).rejects.toMatchObject({ code: 'unsupported' })
})

test('the oldest sample and --min-time bound what is announced and asked', async () => {
  let asked: string | undefined
  answers['/p/api/v1/series'] = (request, response) => {
    asked = new URL(request.url!, 'http://x').searchParams.get('start') ?? undefined
    json([])(request, response)
  }
  const skip = {
    minTime: 0,
    maxTime: 9_000_000,
    matchers: [{ name: 'job', type: '=' as const, value: 'x' }],
    skipChunks: true,
  }
  const { api } = await openApi()
  expect((await api.info(signal)).store!.minTime).toBe(1500)
  await Array.fromAsync(api.series(skip, signal))
  expect(asked).toBe('1.500')
  const limited = await openApi(['--min-time=1970-01-01T00:00:07Z'])
  expect((await limited.api.info(signal)).store!.minTime).toBe(7000)
  await Array.fromAsync(limited.api.series(skip, signal))
  expect(asked).toBe('7.000')
  // An empty TSDB announces the largest int64.
  answers['/p/metrics'] = (_, response) =>
    response.end('prometheus_tsdb_lowest_timestamp_seconds 9.223372036854776e+15\n')
  const { api: empty } = await openApi()
  expect((await empty.info(signal)).store!.minTime).toBe(-62_167_219_200_000)
})

test('what Prometheus answers wrongly has an error of its own', async () => {
  const { api } = await openApi()
  const cases: readonly (readonly [Answer, string])[] = [
    [body('text/html', Buffer.from('hello')), 'unsupported'],
    [body(streamedContentType, Buffer.from([200, 1, 2])), 'corrupt'],
    [body(samplesContentType, Buffer.from([9, 9, 9])), 'corrupt'],
    [
      (_, response) => {
        response.setHeader('content-type', streamedContentType)
        response.write(Buffer.from([20, 1, 2]))
        setTimeout(() => response.destroy(), 20)
      },
      'unavailable',
    ],
    [
      (_, response) => {
        response.statusCode = 400
        response.end('exceeded sample limit')
      },
      'bad_data',
    ],
    [
      (_, response) => {
        response.statusCode = 500
        response.end('broken')
      },
      'unavailable',
    ],
    [(_, response) => void response.destroy(), 'unavailable'],
  ]
  for (const [answer, code] of cases) {
    answers['/p/api/v1/read'] = answer
    await expect(read(api), code).rejects.toMatchObject({ code })
  }
  const names = () => api.labelNames({ minTime: 0, maxTime: 9_000_000, matchers: [] }, signal)
  answers['/p/api/v1/labels'] = (_, response) => response.end('<html>')
  await expect(names()).rejects.toMatchObject({ code: 'unavailable' })
  answers['/p/api/v1/labels'] = (_, response) => response.end('{"status":"error"}')
  await expect(names()).rejects.toMatchObject({ code: 'unavailable' })
  // Headers, then silence: the timeout of 500 ms.
  answers['/p/api/v1/labels'] = (_, response) => response.write('{')
  await expect(names()).rejects.toMatchObject({ code: 'timeout' })
})
