// /api/v1/metadata over peers that serve the gRPC Metadata API: merged, each entry once, what is down named.
// Subject: services/query/metadata.ts, api/metadata.ts, lib/storeapi/metadata.ts. Owns the servers of each test.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { type GrpcServer, startGrpc } from '../../../lib/kit/grpc.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'
import type { Endpoint } from '../../../lib/storeapi/endpoints.ts'
import { type MetadataRequest, type MetricMeta, metadataService } from '../../../lib/storeapi/metadata.ts'
import { answerMetadata } from '../../../services/query/api/metadata.ts'
import { Params } from '../../../services/query/api/params.ts'
import { Connections } from '../../../services/query/connections.ts'
import { askMetadata } from '../../../services/query/metadata.ts'

const up = { type: 'gauge', help: 'Whether it is up: é', unit: '' }
const upToo = { type: 'gauge', help: 'Another help', unit: '' }
const seconds = { type: 'counter', help: '', unit: 'seconds' }

const connections = new Connections()
const servers: GrpcServer[] = []
const requests: MetadataRequest[] = []
let endpoints: Endpoint[]

function endpointOf(address: string, over: Partial<Endpoint> = {}): Endpoint {
  const known = { componentType: 'sidecar', labelSets: [], minTime: 0, maxTime: 1, hasStore: true }
  return { address, ...known, supportsWithoutReplicaLabels: true, apis: ['metadata'], ...over }
}

async function peer(metadata: Record<string, MetricMeta[]> | MnemoError, warnings: string[] = []): Promise<Endpoint> {
  const service = metadataService(async (request) => {
    requests.push(request)
    if (metadata instanceof MnemoError) throw metadata
    return { metadata: new Map(Object.entries(metadata)), warnings }
  })
  const logger = createLogger({ level: 'silent' })
  const options = { address: '127.0.0.1:0', registry: createRegistry(), probe: new Probe(), logger, graceMs: 0 }
  const server = await startGrpc({ ...options, signal: new AbortController().signal }, [service])
  servers.push(server)
  connections.open({ address: server.address })
  return endpointOf(server.address)
}

beforeAll(async () => {
  endpoints = [await peer({ up: [up], z_seconds: [seconds] }), await peer({ up: [up, upToo], a: [] }, ['half'])]
})
afterAll(async () => {
  for (const { address } of servers) connections.of({ address }).close()
  await Promise.all(servers.map((server) => server.close()))
})

async function get(query: string, over: readonly Endpoint[] = endpoints) {
  const ask = (request: MetadataRequest, signal: AbortSignal) =>
    askMetadata({ endpoints: over, connections }, request, signal)
  const signal = new AbortController().signal
  const { data, warnings } = await answerMetadata(ask, new Params(query, ''), { partialResponse: true }, signal)
  return { data: JSON.parse(String(data)), warnings }
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

  test('one that knows no metadata is not asked and not missed', async () => {
    const store = endpointOf('store:1', { componentType: 'store', apis: [] })
    expect(await get('', [store, { ...store, lastError: 'refused' }])).toEqual({ data: {}, warnings: [] })
  })
})
