// The querier as it runs, over golden blocks: every HTTP answer that Prometheus gave over the same blocks, by its defaults and
// with its experimental features, status, warnings and error texts included.
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type GrpcServer, startGrpc } from '../../../lib/kit/grpc.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'
import { storeService } from '../../../lib/storeapi/server.ts'
import { featureNames } from '../../../services/query/features.ts'
import { type BlockStore, openBlockStore } from '../../support/block-store-api.ts'
import { goldenBlock, goldenPath } from '../../support/golden.ts'
import { TestProcess } from '../../support/process.ts'

interface Golden {
  readonly path: string
  readonly params: Readonly<Record<string, string | string[]>>
  readonly status: number
  readonly contentType: string
  readonly answer: Answer | string
}

interface Answer {
  readonly status: string
  readonly data?: unknown
  readonly warnings?: readonly string[]
  readonly infos?: readonly string[]
}

let store: BlockStore
let server: GrpcServer

beforeAll(async () => {
  const blocks = ['blocks/floats', 'blocks/histograms'].map((name) => goldenBlock(name).folder)
  store = await openBlockStore(blocks)
  server = await startGrpc(
    {
      address: '127.0.0.1:0',
      registry: createRegistry(),
      probe: new Probe(),
      logger: createLogger({ level: 'silent' }),
      signal: new AbortController().signal,
      graceMs: 0,
    },
    storeService(store),
  )
})

afterAll(async () => {
  await server.close()
  await store.close()
})

async function startQuerier(features: readonly string[]): Promise<{ process: TestProcess; url: string }> {
  const addresses = ['--http-address=127.0.0.1:0', '--grpc-address=127.0.0.1:0', `--endpoint=${server.address}`]
  const args = ['query', ...addresses, '--query.workers=1', ...features.map((name) => `--enable-feature=${name}`)]
  const command = new URL('../../../bin/mnemo', import.meta.url).pathname
  const process = await TestProcess.start({ command, args })
  const [, address] = await process.waitForOutput(/requests and metrics" address=(\S+)/)
  const url = `http://${address}`
  await process.waitForHttp(`${url}/-/ready`)
  return { process, url }
}

function urlOf(base: string, { path, params }: Golden): string {
  const search = new URLSearchParams()
  for (const [name, values] of Object.entries(params)) for (const value of [values].flat()) search.append(name, value)
  return `${base}${path}?${search}`
}

/** Their order is that of a map in Prometheus. */
function inOrder(answer: Answer): Answer {
  const { warnings, infos, ...rest } = answer
  return { ...rest, ...(warnings && { warnings: [...warnings].sort() }), ...(infos && { infos: [...infos].sort() }) }
}

function compareFolder(folder: string, features: readonly string[]): void {
  let querier: Awaited<ReturnType<typeof startQuerier>>
  beforeAll(async () => {
    querier = await startQuerier(features)
  })
  afterAll(() => querier.process.stop())

  test.each(readdirSync(goldenPath('answers', folder)))('%s', async (file) => {
    const golden = JSON.parse(readFileSync(goldenPath('answers', folder, file), 'utf8')) as Golden
    const response = await fetch(urlOf(querier.url, golden))
    const text = await response.text()
    expect(response.status).toBe(golden.status)
    expect(response.headers.get('content-type')).toBe(golden.contentType)
    if (typeof golden.answer === 'string') expect(text).toBe(golden.answer)
    else expect(inOrder(JSON.parse(text))).toEqual(inOrder(golden.answer))
  })
}

describe('how a query is run', () => {
  let querier: Awaited<ReturnType<typeof startQuerier>>
  beforeAll(async () => {
    querier = await startQuerier([])
  })
  afterAll(() => querier.process.stop())

  const ask = async (path: string, params: Record<string, string>) => {
    const response = await fetch(`${querier.url}/api/v1/${path}?${new URLSearchParams(params)}`)
    return (await response.json()) as { status: string; error?: string; data: Record<string, unknown> }
  }
  const range = { start: '1700006400', end: '1700010000', step: '60' }
  const query = 'sum by (job) (rate(g_counter_total[5m])) / sum by (job) (rate(g_counter_total[5m])) > 1 + 1'

  test('its plan, parts that are equal once', async () => {
    const { data } = await ask('query_range_explain', { query, ...range })
    expect(data.name).toBe('binary: vector > scalar')
    const [folded, division] = data.children as { name: string; children: { name: string }[] }[]
    expect(folded).toEqual({ name: 'number: 2' })
    expect(division!.children.map(({ name }) => name)).toEqual([
      'shared: part 1, used 2 times',
      'shared: part 1, used 2 times',
    ])
    expect((await ask('query_explain', { query: 'up' })).data).toEqual({ name: 'selector: {__name__="up"}' })
    expect((await ask('query_explain', { query: 'sum(' })).error).toMatch(
      /^invalid parameter "query": 1:5: parse error/,
    )
  })

  test('what it took, in samples and time', async () => {
    const { data } = await ask('query_range', { query: 'g_counter_total', ...range, stats: 'all' })
    const { timings, samples } = data.stats as { timings: Record<string, number>; samples: Record<string, number> }
    expect(timings.execTotalTime).toBeGreaterThanOrEqual(timings.evalTotalTime!)
    expect(samples.totalQueryableSamples).toBeGreaterThan(0)
    expect(samples.samplesRead).toBe(samples.totalQueryableSamples)
    expect(samples.totalQueryableSamplesPerStep).toBeUndefined()
  })

  interface Analysis {
    readonly name: string
    readonly executionTime: string
    readonly series: number
    readonly totalSamples: number
    readonly fanout?: { endpointAddr: string; series: number; chunks: number; bytesProcessed: number }[]
    readonly children?: Analysis[]
  }

  test('what each operator and each store did, beside the answer and by itself', async () => {
    const params = { query: 'sum(rate(g_counter_total[5m]))', ...range, analyze: 'true' }
    const both = [(await ask('query_range', params)).data.analysis, (await ask('query_range_explain', params)).data]
    for (const analysis of both as Analysis[]) {
      const [rate] = analysis.children!
      const [selector] = rate!.children!
      expect(analysis).toMatchObject({ name: 'aggregate: sum', series: 1 })
      expect(rate!.name).toBe('function: rate')
      expect(selector!.totalSamples).toBeGreaterThan(rate!.series)
      expect(selector!.fanout).toMatchObject([{ endpointAddr: server.address, series: selector!.series }])
      expect(selector!.fanout![0]!.bytesProcessed).toBeGreaterThan(100)
      for (const { executionTime } of [analysis, rate!]) expect(executionTime).toMatch(/^[\d.]+(µs|ms|s)$/)
    }
    expect((await ask('query_range', { ...params, analyze: 'false' })).data.analysis).toBeUndefined()
  })
})

describe('by its defaults', () => compareFolder('default', []))
describe('with every experimental feature', () =>
  compareFolder(
    'experimental',
    featureNames.filter((name) => name !== 'use-start-timestamps'),
  ))
