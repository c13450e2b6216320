// Routes over peers that serve the APIs beside the StoreAPI: all are asked, what is down is named, parameters have their meaning.
// Subject: services/query/peers.ts and the routes of api/. Owns the servers of each test.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { type GrpcServer, startGrpc } from '../../../lib/kit/grpc.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'
import type { Endpoint } from '../../../lib/storeapi/endpoints.ts'
import { exemplarsCall } from '../../../lib/storeapi/exemplars.ts'
import { type MetadataRequest, type MetricMeta, metadataCall, metadataItem } from '../../../lib/storeapi/metadata.ts'
import { peerService } from '../../../lib/storeapi/peer-call.ts'
import { noStatistics, statusCall } from '../../../lib/storeapi/tsdb-status.ts'
import { answerExemplars } from '../../../services/query/api/exemplars.ts'
import { answerMetadata } from '../../../services/query/api/metadata.ts'
import { Params } from '../../../services/query/api/params.ts'
import type { PeerRouteCall } from '../../../services/query/api/peers.ts'
import type { Answer } from '../../../services/query/api/reply.ts'
import { answerRules } from '../../../services/query/api/rules.ts'
import { answerTargets } from '../../../services/query/api/targets.ts'
import { answerTsdbStatus } from '../../../services/query/api/tsdb-status.ts'
import { Connections } from '../../../services/query/connections.ts'
import { Peers } from '../../../services/query/peers.ts'

const up = { type: 'gauge', help: 'Whether it is up: é', unit: '' }
const upToo = { type: 'gauge', help: 'Another help', unit: '' }
const seconds = { type: 'counter', help: '', unit: 'seconds' }

const connections = new Connections()
const opened: ReturnType<Connections['open']>[] = []
const servers: GrpcServer[] = []
const requests: MetadataRequest[] = []
const exemplarQueries: string[] = []
const timeoutMs = 2_000
let endpoints: Endpoint[]

function endpointOf(address: string, over: Partial<Endpoint> = {}): Endpoint {
  const known = { componentType: 'sidecar', labelSets: [], minTime: 0, maxTime: 1, hasStore: true }
  return { address, ...known, supportsWithoutReplicaLabels: true, apis: ['metadata'], ...over }
}

/** Instead of what a peer knows: it does not answer. */
const never = Symbol('never')

/** A peer that knows metadata, and is asked for exemplars of nothing. */
async function peer(
  metadata: Record<string, MetricMeta[]> | MnemoError | typeof never,
  warnings: string[] = [],
): Promise<Endpoint> {
  const services = [
    peerService(metadataCall, async (request) => {
      requests.push(request)
      if (metadata instanceof MnemoError) throw metadata
      if (metadata === never) return new Promise(() => {})
      return { items: [metadataItem(new Map(Object.entries(metadata)))], warnings }
    }),
    peerService(exemplarsCall, async ({ query }) => {
      exemplarQueries.push(query)
      return { items: [], warnings: [] }
    }),
  ]
  const logger = createLogger({ level: 'silent' })
  const options = { address: '127.0.0.1:0', registry: createRegistry(), probe: new Probe(), logger, graceMs: 0 }
  const server = await startGrpc({ ...options, signal: new AbortController().signal }, services)
  servers.push(server)
  opened.push(connections.open({ address: server.address }))
  return endpointOf(server.address)
}

beforeAll(async () => {
  endpoints = [await peer({ up: [up], z_seconds: [seconds] }), await peer({ up: [up, upToo], a: [] }, ['half'])]
})
afterAll(async () => {
  for (const connection of opened) connection.close()
  await Promise.all(servers.map((server) => server.close()))
})

async function getFrom(answer: (call: PeerRouteCall) => Promise<Answer>, query: string, over: readonly Endpoint[]) {
  const { signal } = new AbortController()
  const peers = new Peers({ stores: { endpoints: over }, connections, timeoutMs })
  const defaults = { replicaLabels: ['replica'], peerPartialResponse: {} }
  const { data, warnings } = await answer({ params: new Params(query, ''), signal, peers, defaults })
  return { data: JSON.parse(String(data)), warnings }
}

function get(query: string, over: readonly Endpoint[] = endpoints) {
  return getFrom(answerMetadata, query, over)
}

test('all peers, by name, each entry once, their warnings with their address', async () => {
  const { data, warnings } = await get('')
  expect(data).toEqual({ a: [], up: [up, upToo], z_seconds: [seconds] })
  expect(Object.keys(data)).toEqual(['a', 'up', 'z_seconds'])
  expect(warnings).toEqual([`store ${endpoints[1]!.address}: half`])
})

test('metric is passed on, limits are kept here', async () => {
  requests.length = 0
  expect((await get('metric=up&limit=2&limit_per_metric=1')).data).toEqual({ a: [], up: [up] })
  expect(requests).toMatchObject([
    { metric: 'up', limit: -1 },
    { metric: 'up', limit: -1 },
  ])
  expect((await get('limit=0')).data).toEqual({})
  await expect(get('limit=x')).rejects.toMatchObject({ code: 'bad_data', message: 'limit must be a number' })
})

describe('a peer that is missing', () => {
  const down = endpointOf('lost:1', { lastError: 'refused' })
  const { apis: _none, ...unknown } = endpointOf('new:1', { lastError: 'refused' })

  test.each([down, unknown])('$address is a warning, or an error', async (lost) => {
    const { data, warnings } = await get('metric=up', [endpoints[0]!, lost])
    expect(Object.keys(data)).toContain('up')
    expect(warnings).toEqual([`store ${lost.address} is down: refused`])
    const strict = get('metric=up&partial_response=false', [endpoints[0]!, lost])
    await expect(strict).rejects.toMatchObject({ code: 'unavailable', message: warnings![0] })
  })

  test('one that fails is a warning, or an error', async () => {
    const failing = await peer(new MnemoError('unavailable', 'prometheus is away'))
    const { warnings } = await get('', [failing])
    expect(warnings).toEqual([expect.stringMatching(`^store ${failing.address} failed: .*prometheus is away`)])
    await expect(get('partial_response=0', [failing])).rejects.toMatchObject({
      message: `store ${failing.address} failed`,
    })
  })

  test('one that says nothing is one that fails, once its time is over', async () => {
    const silent = new Peers({ stores: { endpoints: [await peer(never)] }, connections, timeoutMs: 100 })
    const { signal } = new AbortController()
    const { items, warnings } = await silent.ask(metadataCall, metadataCall.request.empty(), signal)
    expect({ items, warnings }).toEqual({ items: [], warnings: [expect.stringContaining('operation was aborted due to timeout')] }) // biome-ignore format: one line
  })

  test('one that knows no metadata is not asked and not missed', async () => {
    const store = endpointOf('store:1', { componentType: 'store', apis: [] })
    expect(await get('', [store, { ...store, lastError: 'refused' }])).toEqual({ data: {}, warnings: [] })
  })
})

describe('parameters', () => {
  test.each([
    [answerRules, 'type=x', 'invalid parameter "type": not supported value "x"'],
    [answerRules, 'match[]={', undefined],
    [answerRules, 'group_next_token=x', 'invalid parameter "group_next_token": group_limit needs to be present in order to paginate over the groups'], // biome-ignore format: one line
    [answerRules, 'group_limit=0', 'invalid parameter "group_limit": group_limit needs to be greater than 0'],
    [answerRules, 'group_limit=1&group_next_token=x', `invalid parameter "group_next_token": invalid group_next_token 'x'. were rule groups changed?`], // biome-ignore format: one line
    [answerTargets, 'state=lost', "invalid targets parameter state='lost'"],
    [answerExemplars, 'query=up&start=2&end=1', 'end timestamp must not be before start timestamp'],
    [answerExemplars, 'query=up(', undefined],
    [answerTsdbStatus, 'limit=0', 'limit must be a positive number'],
    [answerTsdbStatus, 'limit=10001', 'limit must not exceed 10000'],
  ])('%o with %s', async (answer, query, message) => {
    await expect(getFrom(answer, query, [])).rejects.toMatchObject({ code: 'bad_data', ...(message && { message }) })
  })

  test('without peers everything is empty', async () => {
    expect((await getFrom(answerRules, '', [])).data).toEqual({ groups: [] })
    const noTargets = { activeTargets: [], droppedTargets: [], droppedTargetCounts: {} }
    expect((await getFrom(answerTargets, '', [])).data).toEqual(noTargets)
    expect((await getFrom(answerExemplars, 'query=1', [])).data).toEqual([])
    expect((await getFrom(answerTsdbStatus, '', [])).data).toMatchObject({ headStats: { numSeries: 0 } })
  })
})

test('TSDB status: the largest of all, of more than are shown', async () => {
  const limits: number[] = []
  const statistics = (counts: Record<string, number>) => {
    const { item } = statusCall
    const list = Object.entries(counts).map(([name, value]) => ({ name, value }))
    return { ...item.empty(), byTenant: new Map([['', { ...noStatistics, seriesCountByMetricName: list }]]) }
  }
  const peers = {
    async ask(_call: unknown, { limit }: { limit: number }) {
      limits.push(limit)
      return { items: [statistics({ a: 9, shared: 5 }), statistics({ b: 8, shared: 5 })], warnings: [] }
    },
  } as unknown as PeerRouteCall['peers']
  const call = { peers, signal: new AbortController().signal, defaults: { replicaLabels: [], peerPartialResponse: {} } }
  const { data } = await answerTsdbStatus({ ...call, params: new Params('limit=2&match[]={cluster="x"}', '') })
  expect(JSON.parse(String(data)).seriesCountByMetricName).toEqual([
    { name: 'shared', value: 10 },
    { name: 'a', value: 9 },
  ])
  expect(limits).toEqual([10])
})

test('exemplars are asked of each peer for what it may know, matchers on external labels met here', async () => {
  exemplarQueries.length = 0
  const { address } = endpoints[0]!
  const over = { apis: ['exemplars'] as const, labelSets: [['cluster', 'x', 'replica', 'a']] }
  const query = encodeURIComponent('rate(a{cluster="x",job="1"}[5m]) / b{cluster="y"} + {replica=~"a|b"}')
  const { data, warnings } = await getFrom(answerExemplars, `query=${query}`, [endpointOf(address, over)])
  await getFrom(answerExemplars, `query=${query}`, [endpointOf(address, { ...over, componentType: 'query' })])
  await getFrom(answerExemplars, 'query=b{cluster="y"}', [endpointOf(address, over)])
  expect({ data, warnings }).toEqual({ data: [], warnings: [] })
  expect(exemplarQueries).toEqual([
    '{job="1",__name__="a"} + {__name__!=""}',
    '{cluster="x",job="1",__name__="a"} + {replica=~"a|b"}',
  ])
})
