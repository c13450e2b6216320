// Which stores a query asks, and what is known of them over time.
import { describe, expect, test } from 'vitest'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { labelsOf } from '../../../lib/labels/labels.ts'
import type { LabelMatcher, MatchType } from '../../../lib/labels/matcher.ts'
import {
  type Endpoint,
  EndpointSet,
  type EndpointSetOptions,
  selectEndpoints,
} from '../../../lib/storeapi/endpoints.ts'
import type { StoreApi } from '../../../lib/storeapi/types.ts'
import { anyTime, fakeStore } from '../../support/fake-store.ts'

function endpoint(over: Partial<Endpoint>): Endpoint {
  return {
    address: 'a:1',
    componentType: 'store',
    labelSets: [],
    minTime: 100,
    maxTime: 200,
    hasStore: true,
    supportsWithoutReplicaLabels: true,
    ...over,
  }
}

function matcher(name: string, type: MatchType, value: string): LabelMatcher {
  return { name, type, value }
}

describe('pruning', () => {
  const asked = (
    what: Partial<Endpoint>,
    query: { minTime?: number; maxTime?: number; matchers?: LabelMatcher[]; storeMatchers?: LabelMatcher[][] } = {},
  ) => {
    const full = { minTime: 150, maxTime: 160, matchers: [], storeMatchers: [], ...query }
    const { ask, down } = selectEndpoints([endpoint(what)], full)
    return ask.length === 1 ? 'ask' : down.length === 1 ? 'down' : 'skip'
  }

  test.each([
    [200, 300, 'ask'],
    [201, 300, 'skip'],
    [0, 100, 'ask'],
    [0, 99, 'skip'],
  ])('by time %i to %i', (minTime, maxTime, want) => {
    expect(asked({}, { minTime, maxTime })).toBe(want)
  })

  test('an empty store is never asked', () => {
    const { MAX_SAFE_INTEGER: max } = Number
    expect(asked({ minTime: max, maxTime: -max }, { minTime: -max, maxTime: max })).toBe('skip')
  })

  const labelSets = [labelsOf({ cluster: 'x', replica: 'a' }), labelsOf({ cluster: 'y', replica: 'b' })]
  test.each<[LabelMatcher[], string]>([
    [[matcher('cluster', '=', 'x')], 'ask'],
    [[matcher('cluster', '=', 'z')], 'skip'],
    [[matcher('cluster', '=', 'x'), matcher('replica', '=', 'b')], 'skip'],
    [[matcher('cluster', '=~', 'y|z'), matcher('replica', '!=', 'a')], 'ask'],
    [[matcher('job', '=', 'node')], 'ask'],
    [[matcher('cluster', '=', '')], 'skip'],
    [[matcher('job', '=', '')], 'ask'],
  ])('by external labels %j', (matchers, want) => {
    expect(asked({ labelSets }, { matchers })).toBe(want)
  })

  test('without label sets every matcher may match', () => {
    expect(asked({}, { matchers: [matcher('cluster', '=', 'z')] })).toBe('ask')
  })

  test.each<[LabelMatcher[][], string]>([
    [[[matcher('__address__', '=', 'a:1')]], 'ask'],
    [[[matcher('__address__', '=', 'b:1')]], 'skip'],
    [[[matcher('__address__', '=', 'b:1')], [matcher('__address__', '=~', 'a:.*')]], 'ask'],
    [[[matcher('other', '=', 'b:1')]], 'ask'],
  ])('by storeMatch[] %j', (storeMatchers, want) => {
    expect(asked({}, { storeMatchers })).toBe(want)
    expect(asked({ lastError: 'x' }, { storeMatchers })).toBe(want === 'ask' ? 'down' : 'skip')
  })

  test('a store that is down is pruned by its labels alone, and never asked', () => {
    const lost = { lastError: 'refused', labelSets }
    expect(asked(lost, { minTime: 5000, maxTime: 6000 })).toBe('down')
    expect(asked(lost, { matchers: [matcher('cluster', '=', 'z')] })).toBe('skip')
  })

  test('an endpoint without StoreAPI is nothing to a query', () => {
    expect(asked({ hasStore: false })).toBe('skip')
    expect(asked({ hasStore: false, lastError: 'x' })).toBe('skip')
  })
})

describe('discovery', () => {
  function setOf(apis: Record<string, StoreApi>, over: Partial<EndpointSetOptions> = {}) {
    const changes: string[] = []
    const set = new EndpointSet({
      addresses: Object.keys(apis),
      connect: (address) => apis[address]!,
      infoTimeoutMs: 50,
      unhealthyTimeoutMs: 60_000,
      onChange: ({ address, lastError }) => changes.push(`${address} ${lastError ?? 'up'}`),
      ...over,
    })
    return { set, changes, refresh: () => set.refresh(new AbortController().signal) }
  }

  test('before the first answer a store may hold anything, and is down', () => {
    const { set } = setOf({ 'a:1': fakeStore([]) })
    expect(set.endpoints[0]).toMatchObject({ hasStore: true, lastError: 'it has not been asked yet', labelSets: [] })
  })

  test('learns labels, times and abilities; keeps them while the store is lost', async () => {
    const labelSets = [labelsOf({ cluster: 'x' }), []]
    const api = fakeStore([], { info: { labelSets, store: { ...anyTime, minTime: 5, maxTime: 7 } } })
    const { set, changes, refresh } = setOf({ 'a:1': api })
    await refresh()
    const known = { labelSets: [['cluster', 'x']], minTime: 5, maxTime: 7, supportsWithoutReplicaLabels: true }
    expect(set.endpoints[0]).toMatchObject(known)
    api.info = () => Promise.reject(new MnemoError('unavailable', 'refused'))
    await refresh()
    await refresh()
    expect(set.endpoints[0]).toMatchObject({ ...known, lastError: 'refused' })
    api.info = async () => ({ labelSets: [], componentType: 'sidecar' })
    await refresh()
    expect(set.endpoints[0]).toMatchObject({ hasStore: false, componentType: 'sidecar' })
    expect(set.endpoints[0]).not.toHaveProperty('lastError')
    expect(changes).toEqual(['a:1 up', 'a:1 refused', 'a:1 up'])
  })

  test('one that does not answer in time is down; the others are not held up', async () => {
    const silent = fakeStore([])
    silent.info = (signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
    const { set, refresh } = setOf({ 'a:1': silent, 'b:1': fakeStore([]) })
    await refresh()
    expect(set.endpoints[0]!.lastError).toBe('got no answer to Info for 50 ms')
    expect(set.endpoints[1]!.lastError).toBeUndefined()
  })

  test('the stores page: by component type, with the last error, until the unhealthy timeout', async () => {
    const dead = fakeStore([])
    dead.info = () => Promise.reject(new MnemoError('unavailable', 'refused'))
    const alive = fakeStore([], { info: { componentType: 'sidecar', labelSets: [labelsOf({ r: 'a' })] } })
    const { set, refresh } = setOf({ 'b:1': dead, 'a:1': alive })
    await refresh()
    expect(set.statuses).toMatchObject({
      sidecar: [{ name: 'a:1', lastError: null, labelSets: [['r', 'a']] }],
      'unknown-store-api': [{ name: 'b:1', lastError: 'refused', lastCheck: '0001-01-01T00:00:00Z' }],
    })
    const hasty = setOf({ 'b:1': dead }, { unhealthyTimeoutMs: 0 })
    await hasty.refresh()
    expect(hasty.set.statuses).toEqual({})
    expect(hasty.set.endpoints).toHaveLength(1)
  })

  test('an address that is given twice is asked once', () => {
    const { set } = setOf({ 'a:1': fakeStore([]) }, { addresses: ['a:1', 'a:1'] })
    expect(set.endpoints).toHaveLength(1)
  })

  test('keepFresh ends with its signal', async () => {
    const { set, changes } = setOf({ 'a:1': fakeStore([]) })
    const abort = new AbortController()
    const running = set.keepFresh(5, abort.signal)
    await expect.poll(() => changes).toEqual(['a:1 up'])
    abort.abort()
    await running
  })
})
