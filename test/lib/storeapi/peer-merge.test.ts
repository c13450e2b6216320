// What several peers say of rules, targets, exemplars and TSDBs, merged along replica labels.
// Subject: rules-merge.ts, and the merges of targets.ts, exemplars.ts and tsdb-status.ts. Owns no state.
import { describe, expect, test } from 'vitest'
import { labelsOf } from '../../../lib/labels/labels.ts'
import { mergeExemplars } from '../../../lib/storeapi/exemplars.ts'
import type { Rule, RuleGroup } from '../../../lib/storeapi/rules.ts'
import { mergeRules, type RuleChoice } from '../../../lib/storeapi/rules-merge.ts'
import { type ActiveTarget, mergeTargets, type Targets } from '../../../lib/storeapi/targets.ts'
import { mergeStatistics, type TsdbStatistics } from '../../../lib/storeapi/tsdb-status.ts'

const all: RuleChoice = { type: 'all', matcherSets: [], ruleNames: [], groupNames: [], files: [] }
const replica = ['replica']

function recording(name: string, labels: Record<string, string>, lastEvaluationNs = 0n, lastError = ''): Rule {
  const common = { query: 'up', health: 'ok', lastError, evaluationSeconds: 0, lastEvaluationNs }
  return { recording: { ...common, name, labels: labelsOf(labels) }, alert: undefined }
}

function alerting(name: string, labels: Record<string, string>, alerts: readonly [string, number][]): Rule {
  const instances = alerts.map(([instance, state]) => ({
    labels: labelsOf({ instance }),
    annotations: [],
    state,
    activeAtNs: undefined,
    value: '1',
    strategy: 0,
    keepFiringSinceNs: undefined,
  }))
  const state = Math.max(1, ...alerts.map(([, one]) => one))
  const { recording: base } = recording(name, labels)
  const alert = { ...base!, durationSeconds: 0, annotations: [], alerts: instances, keepFiringForSeconds: 0, state }
  return { recording: undefined, alert }
}

function group(name: string, rules: readonly Rule[], over: Partial<RuleGroup> = {}): RuleGroup {
  const rest = { intervalSeconds: 1, evaluationSeconds: 0, lastEvaluationNs: 0n, strategy: 1, limit: 0 }
  return { name, file: 'f', rules, ...rest, ...over }
}

const namesOf = (groups: readonly RuleGroup[]) =>
  groups.map(({ file, name, rules }) => [
    `${file}/${name}`,
    ...rules.map(({ alert, recording: record }) => (alert ?? record)!.name),
  ])

describe('rules', () => {
  test('replicas are one; the order of files, groups, and rules in a group is kept', () => {
    const of = (name: string) => [recording('z', { replica: name }), recording('a', { replica: name })]
    const items = [group('g2', of('a')), group('g1', of('a')), group('g2', of('b')), group('g', of('b'), { file: 'e' })]
    const merged = mergeRules(items, all, replica)
    expect(namesOf(merged)).toEqual([
      ['e/g', 'z', 'a'],
      ['f/g1', 'z', 'a'],
      ['f/g2', 'z', 'a'],
    ])
    expect(merged[2]!.rules[0]!.recording!.labels).toEqual([])
    expect(namesOf(mergeRules(items, all, []))[2]).toEqual(['f/g2', 'z', 'a', 'z', 'a'])
  })

  test('of two clusters with the same file all rules stay', () => {
    const items = ['x', 'y'].map((cluster) => group('g', [recording('r', { cluster, replica: cluster })]))
    expect(mergeRules(items, all, replica)[0]!.rules.map((rule) => rule.recording!.labels)).toEqual([
      ['cluster', 'x'],
      ['cluster', 'y'],
    ])
  })

  test('of replicas the youngest evaluation is shown', () => {
    const items = [
      group('g', [recording('r', { replica: 'a' }, 5n, 'old')], { lastEvaluationNs: 5n, limit: 1 }),
      group('g', [recording('r', { replica: 'b' }, 6n, 'new')], { lastEvaluationNs: 6n, limit: 2 }),
    ]
    for (const order of [items, items.toReversed()]) {
      const [merged] = mergeRules(order, all, replica)
      expect(merged).toMatchObject({ limit: 2, rules: [{ recording: { lastError: 'new' } }] })
    }
  })

  test('an alert that one replica alone has is not lost, and fires where it fires for one', () => {
    const items = [
      group('g', [alerting('A', { replica: 'a' }, [['i1', 2], ['i2', 2]])]), // biome-ignore format: pairs
      group('g', [alerting('A', { replica: 'b' }, [['i2', 3], ['i3', 2]])]), // biome-ignore format: pairs
    ]
    const [merged] = mergeRules(items, all, replica)
    const { state, alerts } = merged!.rules[0]!.alert!
    expect(state).toBe(3)
    expect(alerts.map((one) => [one.labels[1], one.state]).sort()).toEqual([
      ['i1', 2],
      ['i2', 3],
      ['i3', 2],
    ])
  })

  test('a label with the value in it does not make two alerts of one', () => {
    const labels = (replicaName: string) => ({ replica: replicaName, value: '{{ $value }}' })
    const of = (replicaName: string, value: string) => {
      const { alert } = alerting('A', labels(replicaName), [['i1', 3], ['i2', 3]]) // biome-ignore format: pairs
      const alerts = alert!.alerts.map((one) => ({ ...one, labels: [...one.labels, 'value', value] }))
      return group('g', [{ recording: undefined, alert: { ...alert!, alerts } }])
    }
    const [merged] = mergeRules([of('a', '186'), of('b', '187')], all, replica)
    expect(merged!.rules[0]!.alert!.alerts.map((one) => one.labels)).toEqual([
      ['instance', 'i1', 'value', '186'],
      ['instance', 'i2', 'value', '186'],
    ])
  })

  const chosen = [
    group('g1', [recording('r', { team: 'x' }), alerting('A', { team: 'y', value: 'is {{ $value }}' }, [])]),
    group('g2', [recording('r', { team: 'z' })], { file: 'h' }),
  ]
  const matcher = (name: string, value: string) => [{ type: '=' as const, name, value }]
  test.each<[string, Partial<RuleChoice>, string[][]]>([
    ['alerts', { type: 'alert' }, [['f/g1', 'A']]],
    ['recording rules', { type: 'record' }, [['f/g1', 'r'], ['h/g2', 'r']]], // biome-ignore format: pairs
    ['a name', { ruleNames: ['A'] }, [['f/g1', 'A']]],
    ['a group', { groupNames: ['g2'] }, [['h/g2', 'r']]],
    ['a file', { files: ['h', 'other'] }, [['h/g2', 'r']]],
    ['either of two selectors', { matcherSets: [matcher('team', 'x'), matcher('team', 'z')] }, [['f/g1', 'r'], ['h/g2', 'r']]], // biome-ignore format: pairs
    ['a label that is a template, which has no value', { matcherSets: [matcher('value', 'is {{ $value }}')] }, []],
    ['its absence', { matcherSets: [[...matcher('value', ''), ...matcher('team', 'y')]] }, [['f/g1', 'A']]],
  ])('chosen by %s', (_what, choice, want) => {
    expect(namesOf(mergeRules(chosen, { ...all, ...choice }, []))).toEqual(want)
  })
})

function target(url: string, labels: Record<string, string>, over: Partial<ActiveTarget> = {}): ActiveTarget {
  const discovered = { ...labels, __scrape_interval__: '7s', __scrape_timeout__: '3s' }
  const periods = { scrapeInterval: '', scrapeTimeout: '' }
  const rest = { scrapePool: 'p', globalUrl: url, lastError: '', lastScrapeNs: 0n, lastScrapeSeconds: 0, health: 1 }
  return {
    discoveredLabels: labelsOf(discovered),
    labels: labelsOf(labels),
    scrapeUrl: url,
    ...periods,
    ...rest,
    ...over,
  }
}

function discovery(over: Partial<Targets>): Targets {
  return { active: [], dropped: [], droppedCounts: [], ...over }
}

describe('targets', () => {
  test('replicas are one; one that is down for a replica is down, then the last scrape counts', () => {
    const a = [target('u2', { replica: 'a' }), target('u1', { replica: 'a' }, { lastScrapeNs: 9n })]
    const b = [target('u2', { replica: 'b' }, { health: 0 }), target('u1', { replica: 'b' }, { lastScrapeNs: 8n })]
    for (const order of [
      [a, b],
      [b, a],
    ]) {
      const { active } = mergeTargets(
        order.map((active) => discovery({ active })),
        replica,
      )
      expect(active.map(({ scrapeUrl, health, lastScrapeNs }) => [scrapeUrl, health, lastScrapeNs])).toEqual([
        ['u1', 1, 9n],
        ['u2', 0, 0n],
      ])
      expect(active[0]).toMatchObject({ labels: [], scrapeInterval: '7s', scrapeTimeout: '3s' })
    }
    expect(mergeTargets([discovery({ active: [...a, ...b] })], []).active).toHaveLength(4)
  })

  test('dropped targets are counted once for replicas, added for clusters, and counted where no counts come', () => {
    const drop = (address: string, replicaName: string, scrapePool = '') => ({
      discoveredLabels: labelsOf({ __address__: address, job: 'p', replica: replicaName }),
      scrapePool,
    })
    const count = (value: number, labels: Record<string, string>) => ({
      scrapePool: 'p',
      count: value,
      externalLabels: labelsOf(labels),
    })
    const items = [
      discovery({ dropped: [drop('x', 'a', 'p')], droppedCounts: [count(5, { cluster: '1', replica: 'a' })] }),
      discovery({ dropped: [drop('x', 'b', 'p')], droppedCounts: [count(6, { cluster: '1', replica: 'b' })] }),
      discovery({ droppedCounts: [count(10, { cluster: '2', replica: 'a' })] }),
    ]
    const { dropped, droppedCounts } = mergeTargets(items, replica)
    expect(dropped).toHaveLength(1)
    expect([...droppedCounts]).toEqual([['p', 16]])
    const thanos = [discovery({ dropped: [drop('x', 'a'), drop('y', 'a')] }), discovery({ dropped: [drop('x', 'b')] })]
    expect([...mergeTargets(thanos, replica).droppedCounts]).toEqual([['p', 2]])
    expect(mergeTargets(thanos, replica).dropped[0]!.scrapePool).toBe('p')
  })
})

test('exemplars: one series of replicas, each exemplar once, by time', () => {
  const exemplar = (trace: string, timeMs: number, value = 1) => ({ labels: ['trace_id', trace], value, timeMs })
  const of = (labels: Record<string, string>, ...exemplars: ReturnType<typeof exemplar>[]) => ({
    seriesLabels: labelsOf(labels),
    exemplars,
  })
  const items = [
    of({ m: 'b', replica: 'a' }, exemplar('t2', 2), exemplar('t1', 1)),
    of({ m: 'a', replica: 'a' }, exemplar('t', 1, Number.NaN)),
    of({ m: 'b', replica: 'b' }, exemplar('t1', 1), exemplar('t1', 1, 2)),
    of({ m: 'c', replica: 'b' }),
  ]
  expect(mergeExemplars(items, replica)).toEqual([
    of({ m: 'a' }, exemplar('t', 1, Number.NaN)),
    of({ m: 'b' }, exemplar('t1', 1), exemplar('t1', 1, 2), exemplar('t2', 2)),
  ])
  expect(mergeExemplars(items, [])).toHaveLength(3)
})

test('statistics of TSDBs are added; of values of labels the largest count stays', () => {
  const one = (n: number, name: string): TsdbStatistics => ({
    head: { numSeries: n, numLabelPairs: n, chunkCount: n, minTime: n, maxTime: n },
    seriesCountByMetricName: [{ name: 'up', value: n }, { name, value: n }], // biome-ignore format: a list
    labelValueCountByLabelName: [{ name: 'job', value: n }],
    memoryInBytesByLabelName: [],
    seriesCountByLabelValuePair: [],
  })
  const merged = mergeStatistics([
    { byTenant: new Map([['', one(2, 'b')]]) },
    { byTenant: new Map([['', one(3, 'a')], ['t', one(2, 'c')]]) }, // biome-ignore format: a list
    { byTenant: new Map() },
  ])
  expect(merged.head).toEqual({ numSeries: 7, numLabelPairs: 7, chunkCount: 7, minTime: 2, maxTime: 3 })
  expect(merged.seriesCountByMetricName.map(({ name, value }) => `${name} ${value}`)).toEqual([
    'up 7',
    'a 3',
    'b 2',
    'c 2',
  ])
  expect(merged.labelValueCountByLabelName).toEqual([{ name: 'job', value: 3 }])
  expect(mergeStatistics([]).head.numSeries).toBe(0)
})
