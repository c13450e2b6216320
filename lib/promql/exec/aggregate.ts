// Aggregations: sum and its like stream into a group's kernel state, quantile and count_values look at all series of a step.
// Specification: Prometheus 3.14, promql/engine.go (aggregation, aggregationCountValues) and promql/quantile.go.
// Owns one state a group; groups come in the order in which they are first seen.

import type { Accumulator } from '../../kernels/kernels.ts'
import { type Labels, labelsKey, labelsOf, overlayLabels } from '../../labels/labels.ts'
import { formatHistogram } from '../functions/format-histogram.ts'
import { formatDecimal, quoteGo } from '../functions/go-format.ts'
import { extremes } from '../functions/go-math.ts'
import { quantileOf } from '../functions/quantile.ts'
import type { VectorPlan } from '../plan/plan.ts'
import { type GroupHistograms, groupHistograms } from './aggregate-histograms.ts'
import { anyHistogram, anyPresent, type Context, executionError, type SeriesStream, viewsOf } from './context.ts'
import { groupKeys } from './grouping.ts'
import { collect, emit, type KeptSeries, Matrix } from './matrix.ts'

type AggregatePlan<K> = Extract<VectorPlan, { kind: K }>

/** sum, avg, count, min, max, group, stddev, stdvar. */
export async function* aggregateOperator(plan: AggregatePlan<'aggregate'>, context: Context): SeriesStream {
  const { kernels, run, samples } = context.query
  const { count } = context.steps
  const keys = groupKeys(plan.grouping)
  const groups = new Map<string, StreamingGroup>()
  const row = kernels.row(count)
  for await (const series of run.vector(plan.child, context)) {
    const key = keys.key(series.labels)
    let group = groups.get(key)
    if (group === undefined) {
      samples.hold(count)
      const accumulator = kernels.accumulator(plan.op, count)
      group = { labels: keys.labels(series.labels), dropName: false, accumulator, histograms: undefined }
      groups.set(key, group)
    }
    // Before the floats: it decides which of them count.
    if (series.histograms !== undefined || group.histograms !== undefined) {
      if (group.histograms === undefined) {
        group.accumulator.finish(row)
        group.histograms = groupHistograms(plan, context, viewsOf(context, row).present.slice())
      }
      group.histograms.add(series)
    }
    group.accumulator.add(series.row)
    group.dropName ||= series.dropName
  }
  for (const { labels, dropName, accumulator, histograms: group } of groups.values()) {
    accumulator.finish(row)
    const histograms = group?.finish(row)
    if (anyPresent(context, row) || anyHistogram(histograms)) yield { labels, dropName, row, histograms }
    samples.drop(count)
  }
}

interface StreamingGroup {
  readonly labels: Labels
  dropName: boolean
  readonly accumulator: Accumulator
  /** From the group's first series on that has histograms. */
  histograms: GroupHistograms | undefined
}

/** quantile(φ, …). */
export async function* quantileOperator(plan: AggregatePlan<'quantile'>, context: Context): SeriesStream {
  const quantiles = await context.query.run.scalar(plan.param, context)
  const input = await collect(plan.child, context)
  annotateQuantiles(quantiles, plan, context)
  if (input.series.some(({ histograms }) => anyHistogram(histograms))) {
    context.query.annotations.histogramsIgnored('quantile', plan.childPos)
  }
  const output = new Matrix(context)
  for (const members of groupSeries(input.series, plan.grouping)) {
    const target = output.add(
      members.labels,
      members.series.some((s) => s.dropName),
    )
    quantileOfGroup(members.series, quantiles, target)
  }
  input.release()
  yield* emit(output, context)
}

function annotateQuantiles(quantiles: Float64Array, plan: AggregatePlan<'quantile'>, { query }: Context): void {
  const { least, greatest, anyNaN } = extremes(quantiles)
  if (anyNaN) query.annotations.invalidQuantile(NaN, plan.paramPos)
  if (greatest > 1) query.annotations.invalidQuantile(greatest, plan.paramPos)
  if (least < 0) query.annotations.invalidQuantile(least, plan.paramPos)
}

function quantileOfGroup(members: readonly KeptSeries[], quantiles: Float64Array, target: KeptSeries): void {
  const values = new Float64Array(members.length)
  for (let i = 0; i < quantiles.length; i++) {
    let count = 0
    for (const { present, values: from } of members) if (present[i] === 1) values[count++] = from[i]!
    if (count === 0) continue
    target.values[i] = quantileOf(quantiles[i]!, values.subarray(0, count))
    target.present[i] = 1
  }
}

/** Series by their group, groups in order of appearance. */
export function groupSeries(
  series: readonly KeptSeries[],
  grouping: AggregatePlan<'quantile'>['grouping'],
): { labels: Labels; series: KeptSeries[] }[] {
  const keys = groupKeys(grouping)
  const groups = new Map<string, { labels: Labels; series: KeptSeries[] }>()
  for (const one of series) {
    const key = keys.key(one.labels)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { labels: keys.labels(one.labels), series: [one] })
    else group.series.push(one)
  }
  return [...groups.values()]
}

/** count_values("label", …): a series for each value that a group has anywhere. */
export async function* countValuesOperator(plan: AggregatePlan<'count_values'>, context: Context): SeriesStream {
  const { label, grouping } = plan
  if (label === '' || !label.isWellFormed()) throw executionError(`invalid label name ${quoteGo(label)}`)
  const labels = grouping.without ? grouping.labels : [...grouping.labels, label]
  const keys = groupKeys({ labels, without: grouping.without })
  const output = new Matrix(context)
  const groups = new Map<string, KeptSeries>()
  const input = await collect(plan.child, context)
  const groupOf = (of: Labels, value: string) => {
    const outputLabels = keys.labels(overlayLabels(of, labelsOf([[label, value]])))
    const key = labelsKey(outputLabels)
    const group = groups.get(key) ?? output.add(outputLabels, false)
    groups.set(key, group)
    return group
  }
  for (const { labels: of, values, present, histograms } of input.series) {
    histograms?.forEach((histogram, i) => {
      if (histogram === undefined) return
      const target = groupOf(of, formatHistogram(histogram))
      target.values[i]! += 1
      target.present[i] = 1
    })
    let last: number | undefined
    let group: KeptSeries | undefined
    for (let i = 0; i < present.length; i++) {
      if (present[i] === 0) continue
      if (group === undefined || !Object.is(values[i], last)) group = groupOf(of, formatDecimal(values[i]!))
      last = values[i]!
      group.values[i]! += 1
      group.present[i] = 1
    }
  }
  input.release()
  yield* emit(output, context)
}
