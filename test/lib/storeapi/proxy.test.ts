// A querier as a store of another one: what it announces, what travels through it, and that nothing is lost in silence.
// Subject: lib/storeapi/proxy.ts. Owns nothing.
import { describe, expect, test } from 'vitest'
import { MnemoError } from '../../../lib/kit/errors.ts'
import type { Endpoint } from '../../../lib/storeapi/endpoints.ts'
import { createProxy } from '../../../lib/storeapi/proxy.ts'
import { noBoundMs, type SeriesRequest, type SeriesResponse } from '../../../lib/storeapi/types.ts'
import { chunk, type FakeStore, fakeStore, series } from '../../support/fake-store.ts'

const never = new AbortController().signal
const request: SeriesRequest = { minTime: 0, maxTime: 100, matchers: [{ type: '=', name: 'l', value: '1' }] }

function endpoint(over: Partial<Endpoint>): Endpoint {
  return {
    address: 'a',
    componentType: 'store',
    labelSets: [['cluster', 'x']],
    minTime: 0,
    maxTime: 100,
    hasStore: true,
    supportsWithoutReplicaLabels: true,
    ...over,
  }
}

function proxyOf(stores: Record<string, FakeStore>, extra: readonly Endpoint[] = []) {
  const endpoints = [...Object.keys(stores).map((address) => endpoint({ address })), ...extra]
  return createProxy({
    stores: { endpoints, tsdbInfos: [{ labels: ['cluster', 'x'], minTime: 1, maxTime: 2 }] },
    client: ({ address }) => stores[address]!,
    responseTimeoutMs: 0,
    apis: ['query'],
  })
}

const answer = (api: ReturnType<typeof proxyOf>, asked: SeriesRequest): Promise<SeriesResponse[]> =>
  Array.fromAsync(api.series(asked, never))

describe('a Series call', () => {
  test('merges series, passes warnings on with their store, and unites the blocks queried', async () => {
    const stores = {
      a: fakeStore([series({ l: '1' }, chunk(0, 1)), { kind: 'hints', queriedBlocks: ['y', 'x'] }]),
      b: fakeStore([
        { kind: 'warning', warning: 'half' },
        series({ l: '1' }, chunk(0, 1), chunk(2, 3)),
        { kind: 'hints', queriedBlocks: ['z', 'x'] },
      ]),
    }
    expect(await answer(proxyOf(stores), request)).toEqual([
      { kind: 'warning', warning: 'store b: half' },
      { kind: 'series', series: { labels: ['l', '1'], chunks: [chunk(0, 1), chunk(2, 3)] } },
      { kind: 'hints', queriedBlocks: ['x', 'y', 'z'] },
    ])
  })

  test('a store that is down is a warning, without partial response an error', async () => {
    const lost = [endpoint({ address: 'lost', lastError: 'refused' })]
    const api = proxyOf({ a: fakeStore([series({ l: '1' })]) }, lost)
    expect((await answer(api, request)).map(({ kind }) => kind)).toEqual(['warning', 'series'])
    await expect(answer(api, { ...request, partialResponseDisabled: true })).rejects.toMatchObject({
      code: 'unavailable',
      message: 'store lost is down: refused',
    })
  })

  test('a store that fails after its first series: what it gave, and a warning', async () => {
    const api = proxyOf({ a: fakeStore([series({ l: '1' }), new MnemoError('unavailable', 'gone')]) })
    expect((await answer(api, request)).map(({ kind }) => kind).sort()).toEqual(['series', 'warning'])
  })

  test('every series is in one shard, whatever its store knows of shards', async () => {
    const all = Array.from({ length: 20 }, (_, i) => series({ l: '1', n: String(i).padStart(2, '0') }))
    const found: string[] = []
    for (const index of [0, 1, 2]) {
      const shard = { index, total: 3, by: true, labels: ['n'] }
      const got = await answer(proxyOf({ a: fakeStore(all) }), { ...request, shard, limit: 100 })
      expect(got.length).toBeLessThan(20)
      for (const one of got) if (one.kind === 'series') found.push(one.series.labels[3]!)
    }
    expect(found.sort()).toEqual(all.map((_, i) => String(i).padStart(2, '0')))
  })

  test('limit counts what is answered', async () => {
    const stores = { a: fakeStore([series({ l: '1' }), series({ l: '2' })]), b: fakeStore([series({ l: '1' })]) }
    expect(await answer(proxyOf(stores), { ...request, limit: 1 })).toEqual([series({ l: '1' })])
  })

  test('without a matcher nothing is asked', async () => {
    const a = fakeStore([series({ l: '1' })])
    expect(await answer(proxyOf({ a }), { ...request, matchers: [] })).toEqual([])
    expect(a.requests).toEqual([])
  })
})

test('label names with their warnings', async () => {
  const api = proxyOf({ a: fakeStore([], { values: ['b', 'a'], warnings: ['half'] }) })
  expect(await api.labelNames(request, never)).toEqual({ values: ['a', 'b'], warnings: ['store a: half'] })
})

describe('Info', () => {
  const info = (...endpoints: Endpoint[]) => proxyOf({}, endpoints).info(never)

  test('label sets each once, times together, a store that is down among them', async () => {
    const two = [['cluster', 'x'], ['cluster', 'a']] // biome-ignore format: pairs
    const got = await info(endpoint({ labelSets: two, minTime: 5 }), endpoint({ maxTime: 900, lastError: 'refused' }))
    expect(got).toMatchObject({
      componentType: 'query',
      labelSets: [['cluster', 'a'], ['cluster', 'x']], // biome-ignore format: pairs
      store: { minTime: 0, maxTime: 900, supportsSharding: true, supportsWithoutReplicaLabels: true },
      apis: ['query'],
    })
  })

  test('with a store that has never answered nothing is ruled out', async () => {
    const unknown = endpoint({ labelSets: [], minTime: -noBoundMs, maxTime: noBoundMs, lastError: 'refused' })
    expect(await info(endpoint({}), unknown)).toMatchObject({
      labelSets: [],
      store: { minTime: -noBoundMs, maxTime: noBoundMs },
    })
  })

  test('an empty store announces nothing; no store at all matches nothing', async () => {
    const empty = endpoint({ labelSets: [], minTime: noBoundMs, maxTime: -noBoundMs })
    expect((await info(endpoint({}), empty)).labelSets).toEqual([['cluster', 'x']])
    expect((await info()).store).toMatchObject({ minTime: noBoundMs, maxTime: -noBoundMs })
  })
})
