// Endpoints narrowed to the TSDBs that a selector keeps, and labelled by selector labels; the matchers that requests get.
// Subject: lib/storeapi/tsdb-selector.ts, and the rules of lib/blocks/relabel.ts over label sets.
import { describe, expect, test } from 'vitest'
import { keepsLabels, parseRelabelRules } from '../../../lib/blocks/relabel.ts'
import { type Labels, labelsOf } from '../../../lib/labels/labels.ts'
import { type Endpoint, selectEndpoints } from '../../../lib/storeapi/endpoints.ts'
import { narrowEndpoint, narrowMatchers } from '../../../lib/storeapi/tsdb-selector.ts'

const rules = parseRelabelRules('[{action: keep, source_labels: [cluster], regex: "a|b.c"}]')
const keeps = (labels: Labels) => keepsLabels(labels, rules)

function endpoint(...labelSets: Record<string, string>[]): Endpoint {
  const known = { address: 's:1', componentType: 'store', minTime: 0, maxTime: 9, hasStore: true }
  return { ...known, supportsWithoutReplicaLabels: true, labelSets: labelSets.map((set) => labelsOf(set)) }
}

const equal = (name: string, value: string) => ({ name, type: '=' as const, value })

describe('a selector', () => {
  const narrow = (one: Endpoint) => narrowEndpoint(one, { keeps, selectorLabels: [] })

  test('keeps whole endpoints as they are, and those that say nothing', () => {
    for (const whole of [endpoint({ cluster: 'a' }, { cluster: 'b.c' }), endpoint()]) expect(narrow(whole)).toBe(whole)
  })

  test('leaves out an endpoint of which nothing is kept', () => {
    expect(narrow(endpoint({ cluster: 'x' })).hasStore).toBe(false)
  })

  test('asks the others for what is kept', () => {
    const { labelSets, narrowing } = narrow(endpoint({ cluster: 'a' }, { cluster: 'x' }, { cluster: 'b.c', zone: 'z' }))
    expect(labelSets).toHaveLength(2)
    expect(narrowMatchers([equal('m', '1')], narrowing!)).toEqual([
      equal('m', '1'),
      { name: 'cluster', type: '=~', value: 'a|b\\.c' },
      { name: 'zone', type: '=~', value: '|z' },
    ])
  })
})

describe('selector labels', () => {
  const labelled = narrowEndpoint(endpoint({ cluster: 'a' }), { keeps, selectorLabels: ['region', 'eu'] })

  test('are announced, decide whether a store is asked, and are not asked of it', () => {
    expect(labelled.labelSets).toEqual([labelsOf({ cluster: 'a', region: 'eu' })])
    const asked = (region: string) =>
      selectEndpoints([labelled], { minTime: 0, maxTime: 9, matchers: [equal('region', region)], storeMatchers: [] })
        .ask
    expect(asked('eu')).toHaveLength(1)
    expect(asked('us')).toEqual([])
    expect(narrowMatchers([equal('m', '1'), equal('region', 'eu')], labelled.narrowing!)).toEqual([equal('m', '1')])
    expect(narrowMatchers([equal('region', 'eu')], labelled.narrowing!)).toEqual([{ name: '__name__', type: '!=', value: '' }]) // biome-ignore format: one line
    expect(narrowMatchers([], labelled.narrowing!)).toEqual([])
  })

  test('are all that a store without label sets has', () => {
    const none = narrowEndpoint(endpoint(), { keeps, selectorLabels: ['region', 'eu'] })
    expect(none.labelSets).toEqual([['region', 'eu']])
  })
})
