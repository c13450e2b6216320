// The optimiser's passes: what each of them makes of a plan, and when it leaves it alone. That answers stay the same is held by
// random queries (differential.test.ts) and the conformance scripts, which run with all passes.
import { describe, expect, test } from 'vitest'
import { createKernels } from '../../../../../lib/kernels/instance.ts'
import { labelsOf } from '../../../../../lib/labels/labels.ts'
import { execute, planOf } from '../../../../../lib/promql/exec/engine.ts'
import { parseExpr } from '../../../../../lib/promql/parse/parser.ts'
import { everySyntax } from '../../../../../lib/promql/parse/token-stream.ts'
import { explainPlan } from '../../../../../lib/promql/plan/explain.ts'
import { foldConstants } from '../../../../../lib/promql/plan/optimise/fold-constants.ts'
import { mergeAggregates } from '../../../../../lib/promql/plan/optimise/merge-aggregates.ts'
import type { Pass } from '../../../../../lib/promql/plan/optimise/passes.ts'
import { projectLabels } from '../../../../../lib/promql/plan/optimise/project-labels.ts'
import { propagateMatchers } from '../../../../../lib/promql/plan/optimise/propagate-matchers.ts'
import { shareEqual } from '../../../../../lib/promql/plan/optimise/share-equal.ts'
import { MemoryQueryable } from '../../../../support/memory-queryable.ts'

/** Whether the pass makes of one query the plan that the other one has without it. */
function becomes(pass: Pass, query: string, want: string): void {
  const names = (text: string, passes: readonly Pass[]) =>
    JSON.stringify(
      explainPlan(planOf({ query: text, expr: parseExpr(text), startMs: 0, endMs: 60_000, stepMs: 15_000, passes })),
    )
  expect(names(query, [pass])).toBe(names(want, []))
}

test.each([
  ['a * (2 * 3 + 1)', 'a * 7'],
  ['a > -(1 / 0)', 'a > -Inf'],
  ['a * (1 == bool 1)', 'a * 1'],
  ['a * time()', 'a * time()'],
])('constants: %s is %s', (query, want) => becomes(foldConstants, query, want))

test.each([
  ['max by (a) (max by (a, b) (x))', 'max by (a) (x)'],
  ['min(min by (b) (min by (a, b) (x)))', 'min(x)'],
  ['max by (c) (max by (a, b) (x))', 'max by (c) (max by (a, b) (x))'],
  ['sum by (a) (sum by (a, b) (x))', 'sum by (a) (sum by (a, b) (x))'],
  ['max(min by (a) (x))', 'max(min by (a) (x))'],
  ['sum by (a) (count by (b, a) (x))', 'count by (a) (x)'],
  ['sum(count without (a) (x))', 'sum(count without (a) (x))'],
  ['max by (a) (group by (a, b) (x))', 'group by (a) (x)'],
  ['group(count by (a) (x))', 'group(x)'],
  ['sum(sum by (a) (count by (a, b) (x)))', 'count(x)'],
  ['group(max by (a) (x))', 'group(max by (a) (x))'],
  ['count(count by (a) (x))', 'count(count by (a) (x))'],
])('aggregates: %s is %s', (query, want) => becomes(mergeAggregates, query, want))

test.each([
  ['a and on (job) b{job="x",z="y"}', 'a{job="x"} and on (job) b{job="x",z="y"}'],
  ['a{job="x"} unless b', 'a{job="x"} unless b{job="x"}'],
  ['a unless b{job="x"}', 'a unless b{job="x"}'],
  ['a or b{job="x"}', 'a or b{job="x"}'],
  ['a and ignoring (job) b{job="x",z="y"}', 'a{z="y"} and ignoring (job) b{job="x",z="y"}'],
  [
    'rate(a_total[1m]) * on (job) group_left () sum by (job) (b{job="x"})',
    'rate(a_total{job="x"}[1m]) * on (job) group_left () sum by (job) (b{job="x"})',
  ],
  // Two series of one match are an error, partner or none; and so may be names that differ.
  ['a * on (job) b{job="x"}', 'a * on (job) b{job="x"}'],
  ['{n="1"} and b{job="x"}', '{n="1"} and b{job="x",n="1"}'],
  ['a and quantile_over_time(0.5, b[1m])', 'a and quantile_over_time(0.5, b[1m])'],
  ['a{job="x"} unless quantile_over_time(0.5, b[1m])', 'a{job="x"} unless quantile_over_time(0.5, b{job="x"}[1m])'],
  // A quantile that is none gives a warning, and so may one that varies.
  ['a{job="x"} unless quantile_over_time(1.2, b[1m])', 'a{job="x"} unless quantile_over_time(1.2, b[1m])'],
  ['a{job="x"} unless quantile_over_time(time(), b[1m])', 'a{job="x"} unless quantile_over_time(time(), b[1m])'],
  // Its name alone gives an info.
  ['rate(a[1m]) and b{job="x"}', 'rate(a[1m]) and b{job="x"}'],
])('matchers: %s is %s', (query, want) => becomes(propagateMatchers, query, want))

test.each([
  ['sum by (job) (rate(a_total[1m]))', ['job']],
  ['sum(a)', ['none']],
  ['avg without (pod) (a)', ['all but pod']],
  ['a', ['every label']],
  ['rate(a_total[1m])', ['every label']],
  ['absent(a)', ['none']],
  ['a * scalar(b)', ['every label', 'none']],
  ['histogram_quantile(0.9, sum by (le) (rate(a_bucket[1m])))', ['le']],
  ['sum by (job) (histogram_quantile(0.9, rate(a_bucket[1m])))', ['every label']],
  ['a and on (job) b', ['every label', 'job']],
  ['sum by (x) (a and on (job) b)', ['job, x', 'job']],
  ['a unless ignoring (pod) b', ['every label', 'all but pod']],
  ['sum without (pod, x) (a and on (pod) b)', ['all but x', 'pod']],
  ['a or b', ['every label', 'every label']],
  // What has two partners is named with all of its labels.
  ['sum(a + on (job) b)', ['job', 'every label']],
  ['sum(a * on (job) group_left () b)', ['every label', 'every label']],
  ['max by (x) (topk by (job) (3, a))', ['job, x']],
  ['max by (x) (limitk by (job) (3, a))', ['every label']],
  ['sum by (job) (-max_over_time(rate(a_total[1m])[5m:1m]) > 1)', ['job']],
  // Their names differ: without them two may be one.
  ['sum by (job) (rate({x="y"}[1m]))', ['every label']],
  ['sum by (job) (last_over_time({x="y"}[1m]))', ['job']],
  ['sum by (job) (timestamp({x="y"}))', ['every label']],
  ['sum by (job) (label_replace(a, "job", "$1", "pod", "(.*)"))', ['every label']],
  ['count by (job) (count_values by (pod) ("v", a))', ['pod']],
  // What is shared has the labels of all its uses.
  ['sum by (job) (rate(a[1m])) / on () group_left () sum without (pod, job) (rate(a[1m]))', ['all but pod']],
  ['sum by (job) (rate(a[1m])) / on () group_left () sum(rate(a[1m]))', ['job']],
  ['sum by (job) (rate(a[1m])) / on () group_left () sum by (b) (rate(a[1m]) > 1)', ['b, job']],
  ['sum by (job) (rate(a[1m])) + rate(a[1m])', ['every label']],
])('labels: %s wants %j', (query, want) => {
  const times = { startMs: 0, endMs: 60_000, stepMs: 15_000 }
  const expr = parseExpr(query, everySyntax)
  const passes = [shareEqual, projectLabels]
  const names = JSON.stringify(explainPlan(planOf({ query, expr, ...times, passes }))).match(
    /selector[^"\\]*\{[^}]*\}[^}]*?(?=")/g,
  )
  const seen = names?.map((name) => /; labels: (.*)$/.exec(name)?.[1] ?? 'every label')
  expect([...new Set(seen)].sort()).toEqual([...new Set(want)].sort())
})

describe('equal parts', () => {
  const kernels = createKernels()

  async function selectsOf(query: string, passes: readonly Pass[]): Promise<{ selects: number; answer: unknown }> {
    const queryable = new MemoryQueryable()
    for (const name of ['x', 'y_total'])
      for (const job of ['a', 'b', 'c'])
        queryable.add(labelsOf({ __name__: name, job }), [
          { timeMs: 10_000, value: 1 },
          { timeMs: 40_000, value: 5 },
        ])
    const signal = new AbortController().signal
    const times = { startMs: 45_000, endMs: 90_000, stepMs: 15_000 }
    const answer = await execute({ query, expr: parseExpr(query), ...times, queryable, kernels, signal, passes })
    return { selects: queryable.selects.length, answer }
  }

  test.each([
    ['x / (x + y_total)', 3, 2],
    ['sum(rate(y_total[1m])) / sum(rate(y_total[1m]))', 2, 1],
    ['sum(rate(y_total[1m])) / count(rate(y_total[1m]))', 2, 1],
    ['x + x + x * x', 4, 1],
    ['sum_over_time((x + x)[1m:15s]) + x', 3, 2],
    ['x + x offset 15s', 2, 2],
    ['max_over_time(x[1m]) - min_over_time(x[1m])', 2, 2],
  ])('%s reads %i selectors, shared %i', async (query, plain, shared) => {
    const without = await selectsOf(query, [])
    const withPass = await selectsOf(query, [shareEqual])
    expect([without.selects, withPass.selects]).toEqual([plain, shared])
    expect(withPass.answer).toEqual(without.answer)
  })

  test('the position of an annotation is that of the last one', async () => {
    const query = 'rate(x[1m]) + rate(x[1m])'
    const { answer } = await selectsOf(query, [shareEqual])
    expect(answer).toMatchObject({ infos: [expect.stringContaining('(1:20)')] })
  })

  test('a query as deep as may be is planned at once', () => {
    const query = Array.from({ length: 900 }, (_, i) => `x${i % 7}`).join(' + ')
    const expr = parseExpr(query)
    planOf({ query, expr, startMs: 0, endMs: 60_000, stepMs: 15_000 })
  })
})
