// One operator for each kind of vector plan, a line each, and what runs them.
// Specification: plan/plan.ts (kinds), context.ts (the buffer contract).
// Owns the dispatch; step invariant parts are here because they are dispatch too.

import type { VectorPlan } from '../plan/plan.ts'
import { absentOperator, absentOverTimeOperator, nothingOperator } from './absent.ts'
import { aggregateOperator, countValuesOperator, quantileOperator } from './aggregate.ts'
import { type Context, type Runner, type SeriesStream, viewsOf } from './context.ts'
import { mapOperator, negateOperator, timestampOperator, vectorOfOperator, vectorScalarOperator } from './elements.ts'
import { histogramOperator } from './histogram.ts'
import { histogramValueOperator } from './histogram-value.ts'
import { infoOperator } from './info.ts'
import { rankOperator } from './rank.ts'
import { labelJoinOperator, labelReplaceOperator } from './relabel.ts'
import { SampleStats } from './sample-stats.ts'
import { scalarOperators } from './scalars.ts'
import { instantSelector } from './selector.ts'
import { setOperator } from './sets.ts'
import { sharedOperator } from './shared.ts'
import { sortByLabelOperator, sortOperator } from './sort.ts'
import { vectorBinaryOperator } from './vector-binary.ts'
import { windowOperator } from './window.ts'

type Operator<K extends VectorPlan['kind']> = (plan: Extract<VectorPlan, { kind: K }>, context: Context) => SeriesStream

const vectorOperators: { readonly [K in VectorPlan['kind']]: Operator<K> } = {
  selector: instantSelector,
  window: windowOperator,
  map: mapOperator,
  negate: negateOperator,
  timestamp: timestampOperator,
  vector_of: vectorOfOperator,
  vector_scalar: vectorScalarOperator,
  vector_binary: vectorBinaryOperator,
  set: setOperator,
  aggregate: aggregateOperator,
  quantile: quantileOperator,
  count_values: countValuesOperator,
  rank: rankOperator,
  histogram: histogramOperator,
  histogram_value: histogramValueOperator,
  nothing: nothingOperator,
  info: infoOperator,
  label_replace: labelReplaceOperator,
  label_join: labelJoinOperator,
  absent: absentOperator,
  absent_over_time: absentOverTimeOperator,
  sort: sortOperator,
  sort_by_label: sortByLabelOperator,
  shared: sharedOperator,
  vector_invariant: invariantOperator,
}

export const runner: Runner = {
  vector: (plan, context) => (vectorOperators[plan.kind] as Operator<typeof plan.kind>)(plan as never, context),
  scalar: (plan, context) =>
    (scalarOperators[plan.kind] as (p: never, c: Context) => Promise<Float64Array>)(plan as never, context),
}

/** Evaluates the child once, at the first step, and shows it at all. */
async function* invariantOperator(
  { child }: Extract<VectorPlan, { kind: 'vector_invariant' }>,
  context: Context,
): SeriesStream {
  const { query, steps } = context
  const onceSteps = { ...steps, count: 1 }
  const stats = context.stats && new SampleStats(onceSteps)
  const once: Context = { query, steps: onceSteps, instant: true, stats: steps.count === 1 ? context.stats : stats }
  if (steps.count === 1) {
    yield* query.run.vector(child, once)
    return
  }
  const row = query.kernels.row(steps.count)
  for await (const series of query.run.vector(child, once)) {
    const { values, present } = viewsOf(once, series.row)
    const [value, isFloat] = [values[0]!, present[0]!]
    const views = viewsOf(context, row)
    views.values.fill(value)
    views.present.fill(isFloat)
    const histogram = series.histograms?.[0]
    const histograms = histogram === undefined ? undefined : new Array(steps.count).fill(histogram)
    yield { ...series, row, histograms }
  }
  if (stats) context.stats?.addInvariant(stats)
}
