// One call to all stores: names and values as one list, what a store that is down means, what each store is asked.
import { describe, expect, test } from 'vitest'
import { MnemoError } from '../../../lib/kit/errors.ts'
import type { Endpoint } from '../../../lib/storeapi/endpoints.ts'
import { Fanout } from '../../../lib/storeapi/fanout.ts'
import type { LabelsRequest } from '../../../lib/storeapi/types.ts'
import { type FakeStore, fakeStore, series } from '../../support/fake-store.ts'

const base: Omit<Endpoint, 'address'> = {
  componentType: 'store',
  labelSets: [],
  minTime: 0,
  maxTime: 100,
  hasStore: true,
  supportsWithoutReplicaLabels: true,
}
const request: LabelsRequest = { minTime: 0, maxTime: 100, matchers: [] }
const never = new AbortController().signal

function fanoutOver(
  stores: Record<string, FakeStore>,
  over: { partialResponse?: boolean; endpoint?: Partial<Endpoint>; extra?: Endpoint[] } = {},
) {
  const warnings: string[] = []
  const fanout = new Fanout({
    endpoints: [
      ...Object.keys(stores).map((address) => ({ ...base, address, ...over.endpoint })),
      ...(over.extra ?? []),
    ],
    client: ({ address }) => stores[address]!,
    partialResponse: over.partialResponse ?? true,
    responseTimeoutMs: 0,
    storeMatchers: [],
    onWarning: (warning) => warnings.push(warning),
  })
  return { fanout, warnings }
}

describe('labels', () => {
  test('names are one list, sorted by bytes, without replica labels', async () => {
    const stores = { a: fakeStore([], { values: ['job', 'replica'] }), b: fakeStore([], { values: ['a', 'job', 'é'] }) }
    const { fanout } = fanoutOver(stores)
    expect(await fanout.labelNames({ ...request, withoutReplicaLabels: ['replica'] }, never)).toEqual(['a', 'job', 'é'])
    expect(await fanout.labelNames({ ...request, limit: 1 }, never)).toEqual(['a'])
  })

  test('values of a replica label are none where it is taken off', async () => {
    const { fanout } = fanoutOver({ a: fakeStore([], { values: ['x', 'y'] }) })
    expect(await fanout.labelValues('replica', { ...request, withoutReplicaLabels: ['replica'] }, never)).toEqual([])
    expect(await fanout.labelValues('replica', { ...request, limit: 1 }, never)).toEqual(['x'])
  })

  test("a store's warnings carry its address", async () => {
    const { fanout, warnings } = fanoutOver({ a: fakeStore([], { values: ['x'], warnings: ['half'] }) })
    expect(await fanout.labelNames(request, never)).toEqual(['x'])
    expect(warnings).toEqual(['store a: half'])
  })

  test('a failing store is a warning, or an error', async () => {
    const failing = fakeStore([])
    failing.labelValues = () => Promise.reject(new MnemoError('unavailable', 'gone'))
    const stores = { a: failing, b: fakeStore([], { values: ['x'] }) }
    const { fanout, warnings } = fanoutOver(stores)
    expect(await fanout.labelValues('l', request, never)).toEqual(['x'])
    expect(warnings).toEqual(['store a failed: gone'])
    const strict = fanoutOver(stores, { partialResponse: false }).fanout
    await expect(strict.labelValues('l', request, never)).rejects.toMatchObject({
      code: 'unavailable',
      message: 'store a failed',
    })
  })
})

describe('stores that are down', () => {
  const extra = [{ ...base, address: 'lost:1', lastError: 'refused' }]

  test('are a warning', async () => {
    const { fanout, warnings } = fanoutOver({ a: fakeStore([series({ l: '1' })]) }, { extra })
    expect(await Array.fromAsync(fanout.series(request, never))).toHaveLength(1)
    expect(warnings).toEqual(['store lost:1 is down: refused'])
  })

  test('are an error without partial response', () => {
    const { fanout } = fanoutOver({ a: fakeStore([]) }, { extra, partialResponse: false })
    expect(() => fanout.series(request, never)).toThrowError(
      expect.objectContaining({ code: 'unavailable', message: 'store lost:1 is down: refused' }),
    )
  })

  test('no store at all is said', async () => {
    const { fanout, warnings } = fanoutOver({})
    expect(await fanout.labelNames(request, never)).toEqual([])
    expect(warnings).toEqual(['no store is configured: want --endpoint'])
  })
})

describe('two sidecars with identical external labels', () => {
  const endpoint = { componentType: 'sidecar', labelSets: [['cluster', 'x']] }
  const warning =
    'stores a and b have the same external labels {cluster="x"}: their series cannot be told apart and are mixed'

  test.each([true, false])('are both named, and no error: partial response %s', async (partialResponse) => {
    const stores = { b: fakeStore([series({ l: '1' })]), a: fakeStore([]) }
    const { fanout, warnings } = fanoutOver(stores, { endpoint, partialResponse })
    expect(await Array.fromAsync(fanout.series(request, never))).toHaveLength(1)
    expect(warnings).toEqual([warning])
  })
})

describe('series', () => {
  test('blocks that a store says it has queried are told', async () => {
    const store = fakeStore([series({ l: '1' }), { kind: 'hints', queriedBlocks: ['block-a', 'block-b'] }])
    const hints: string[] = []
    const fanout = new Fanout({
      endpoints: [{ ...base, address: 'a' }],
      client: () => store,
      partialResponse: true,
      responseTimeoutMs: 0,
      storeMatchers: [],
      onWarning: () => undefined,
      onHints: (blocks) => hints.push(...blocks),
    })
    await Array.fromAsync(fanout.series(request, never))
    expect(hints).toEqual(['block-a', 'block-b'])
  })

  test('a store that cannot take labels off is asked without a limit and sorted here', async () => {
    const store = fakeStore([series({ replica: 'a', z: '2' }), series({ replica: 'b', z: '1' })])
    const { fanout } = fanoutOver({ a: store }, { endpoint: { supportsWithoutReplicaLabels: false } })
    const asked = { ...request, withoutReplicaLabels: ['replica'], limit: 1 }
    const all = await Array.fromAsync(fanout.series(asked, never))
    expect(all.map(({ labels }) => labels)).toEqual([
      ['z', '1'],
      ['z', '2'],
    ])
    expect(store.requests).toMatchObject([{ limit: 0, partialResponseDisabled: false }])
  })
})
