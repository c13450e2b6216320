// Which stores a query asks, and which of them cannot be told apart.
// Subject: lib/storeapi/endpoints.ts. Owns nothing.
import { describe, expect, test } from 'vitest'
import { type Labels, labelsOf } from '../../../lib/labels/labels.ts'
import type { LabelMatcher, MatchType } from '../../../lib/labels/matcher.ts'
import { type Endpoint, indistinguishable, selectEndpoints } from '../../../lib/storeapi/endpoints.ts'

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

describe('two that announce the same labels', () => {
  const x = labelsOf({ cluster: 'x', replica: 'a' })
  const y = labelsOf({ cluster: 'y', replica: 'a' })
  const sidecar = (address: string, ...labelSets: Labels[]) =>
    endpoint({ address, componentType: 'sidecar', labelSets })

  test('sidecars are both named', () => {
    expect(indistinguishable([sidecar('c:1', x), sidecar('b:1', y), sidecar('a:1', x)])).toEqual([
      { labels: x, addresses: ['a:1', 'c:1'] },
    ])
  })

  test('a store that holds what a sidecar ships is as it should be', () => {
    expect(indistinguishable([sidecar('a:1', x), endpoint({ address: 'b:1', labelSets: [x] })])).toEqual([])
  })
})
