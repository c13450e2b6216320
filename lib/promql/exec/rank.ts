// topk and bottomk, limitk and limit_ratio: at each step, some of a group's series as they are.
// Specification: Prometheus 3.14, promql/engine.go (rangeEvalAgg, aggregationK).
// Owns which series are chosen at a step, and their order in an instant query.

import { formatG } from '../functions/go-format.ts'
import { extremes } from '../functions/go-math.ts'
import { ascending, descending, ValueHeap } from '../functions/value-heap.ts'
import type { RankPlan } from '../plan/plan.ts'
import { groupSeries } from './aggregate.ts'
import { anyHistogram, type Context, executionError, type SeriesStream } from './context.ts'
import { labelsHashRatio } from './labels-hash.ts'
import { collect, emit, hasSample, type KeptSeries, type Matrix } from './matrix.ts'

/** What is chosen of a group's series at a step, best first. */
type Choose = (members: readonly KeptSeries[], step: number, param: number) => KeptSeries[]

const choosers: { readonly [K in RankPlan['op']]: Choose } = {
  topk: (members, step, k) => best(members, step, new ValueHeap(k, ascending)),
  bottomk: (members, step, k) => best(members, step, new ValueHeap(k, descending)),
  limitk: (members, step, k) => members.filter((s) => hasSample(s, step)).slice(0, k),
  limit_ratio: (members, step, ratio) =>
    members.filter((s) => hasSample(s, step) && inRatio(ratio, labelsHashRatio(s.labels))),
}

function best(members: readonly KeptSeries[], step: number, heap: ValueHeap): KeptSeries[] {
  for (let index = 0; index < members.length; index++) {
    const { values, present } = members[index]!
    if (present[step] === 1) heap.offer(values[step]!, index)
  }
  return heap.sorted().map((index) => members[index]!)
}

// A negative ratio is the complement of the positive one that fills it up to 1.
function inRatio(ratio: number, offset: number): boolean {
  return ratio >= 0 ? offset < ratio : offset >= 1 + ratio
}

export async function* rankOperator(plan: RankPlan, context: Context): SeriesStream {
  const params = await context.query.run.scalar(plan.param, context)
  const input = await collect(plan.child, context)
  if (plan.op === 'limit_ratio' ? !checkRatios(params, plan, context) : !checkCounts(params)) {
    input.release()
    return
  }
  const clamp = plan.op === 'limit_ratio' ? clampRatio : (k: number) => Math.min(Math.trunc(k), input.series.length)
  annotateHistograms(plan, input, context)
  const chosen = choose(plan, input, params.map(clamp))
  yield* emit(input, context, context.instant ? chosen : undefined)
}

/** Clears what is not chosen; returns the indexes of the last step's choice in order. */
function choose(plan: RankPlan, input: Matrix, params: Float64Array): number[] {
  const pick = choosers[plan.op]
  const indexes = new Map(input.series.map((series, index) => [series, index]))
  const order: number[] = []
  for (const { series: members } of groupSeries(input.series, plan.grouping)) {
    for (let step = 0; step < params.length; step++) {
      const chosen = isNone(plan, params[step]!) ? [] : pick(members, step, params[step]!)
      keepOnly(chosen, members, step)
      if (step === params.length - 1) for (const series of chosen) order.push(indexes.get(series)!)
    }
  }
  return order
}

function keepOnly(chosen: readonly KeptSeries[], members: readonly KeptSeries[], step: number): void {
  for (const series of members) {
    series.present[step] = 0
    if (series.histograms?.[step] !== undefined && !chosen.includes(series)) series.histograms[step] = undefined
  }
  for (const { present, histograms } of chosen) if (histograms?.[step] === undefined) present[step] = 1
}

function annotateHistograms({ op, pos }: RankPlan, input: Matrix, { query }: Context): void {
  if (op !== 'topk' && op !== 'bottomk') return
  if (input.series.some(({ histograms }) => anyHistogram(histograms))) query.annotations.histogramsIgnored(op, pos)
}

function isNone({ op }: RankPlan, param: number): boolean {
  return op === 'limit_ratio' ? param === 0 : param < 1
}

function clampRatio(ratio: number): number {
  return Math.max(-1, Math.min(1, ratio))
}

// As far as doubles tell: the greatest below 2^63.
const maxInt64 = 2 ** 63 - 1024
const minInt64 = -(2 ** 63)

/** Whether there is anything to choose. Throws `execution` for a k that is no int64. */
function checkCounts(params: Float64Array): boolean {
  const { least, greatest, anyNaN } = extremes(params)
  if (greatest < 1) return false
  if (anyNaN) throw executionError('Parameter value is NaN')
  if (least <= minInt64) throw executionError(`Scalar value ${formatG(least)} underflows int64`)
  if (greatest >= maxInt64) throw executionError(`Scalar value ${formatG(greatest)} overflows int64`)
  return true
}

/** The same of ratios, with a warning for those outside −1 … 1. */
function checkRatios(params: Float64Array, plan: RankPlan, { query }: Context): boolean {
  const { least, greatest, anyNaN } = extremes(params)
  if (greatest === 0 && least === 0) return false
  if (anyNaN) throw executionError('Ratio value is NaN')
  if (greatest > 1) query.annotations.invalidRatio(greatest, 1, plan.paramPos)
  if (least < -1) query.annotations.invalidRatio(least, -1, plan.paramPos)
  return true
}
