// Subqueries: an expression over its own steps, its rows turned into samples for a window function.
// Specification: Prometheus 3.14, promql/engine.go (subqueryTimeRange, evalSubquery).
// Owns the steps of a subquery: multiples of its interval within the window of any of the query's steps.

import type { Histogram, HistogramPoint } from '../../histogram/histogram.ts'
import type { Row, SampleColumns, Steps } from '../../kernels/kernels.ts'
import type { MatrixPlan } from '../plan/plan.ts'
import { type Context, checkAborted, type StepHistograms, stepTimeMs, viewsOf } from './context.ts'
import { SampleStats } from './sample-stats.ts'
import type { SeriesColumns } from './samples.ts'
import { referenceSteps } from './selector.ts'

type SubqueryPlan = Extract<MatrixPlan, { kind: 'subquery' }>

function subqueryTimes(plan: SubqueryPlan, context: Context): Pick<Context, 'steps' | 'instant'> {
  const reference = referenceSteps(plan, context.steps)
  const stepMs = plan.stepMs > 0 ? plan.stepMs : context.query.defaultSubqueryStepMs(plan.rangeMs)
  // The first multiple after the window's open left end.
  const startMs = stepMs * (Math.floor((reference.startMs - plan.rangeMs) / stepMs) + 1)
  const endMs = stepTimeMs(reference, reference.count - 1)
  const count = Math.max(0, Math.floor((endMs - startMs) / stepMs) + 1)
  return { steps: { startMs, stepMs, count }, instant: startMs === endMs }
}

/** The child's series as samples at the subquery's steps. */
export async function* subquerySeries(
  plan: SubqueryPlan,
  context: Context,
  { isBare }: { isBare: boolean },
): AsyncGenerator<SeriesColumns, void, undefined> {
  const { kernels, signal, samples, run } = context.query
  const times = subqueryTimes(plan, context)
  const stats = context.stats && new SampleStats(times.steps)
  const inner: Context = { query: context.query, ...times, stats }
  if (inner.steps.count === 0) return
  const columns = kernels.columns()
  try {
    for await (const { labels, dropName, row, histograms } of run.vector(plan.child, inner)) {
      checkAborted(signal)
      samples.check(inner.steps.count)
      fillColumns(columns, inner, row)
      yield { labels, dropName, columns, histograms: pointsOf(histograms, inner.steps), starts: [] }
    }
  } finally {
    columns.free()
  }
  if (stats && isBare) context.stats?.addBareSubquery(stats)
  else if (stats) context.stats?.addSubquery(stats, plan)
}

function pointsOf(histograms: StepHistograms | undefined, steps: Steps): HistogramPoint[] {
  const points: HistogramPoint[] = []
  histograms?.forEach((histogram, i) => {
    if (histogram !== undefined) points.push({ timeMs: stepTimeMs(steps, i), histogram: withoutHint(histogram) })
  })
  return points
}

// What was known of the sample before is not known of the step before, which may skip samples or show one twice.
function withoutHint(histogram: Histogram): Histogram {
  return histogram.hint === 'gauge' || histogram.hint === 'unknown' ? histogram : { ...histogram, hint: 'unknown' }
}

function fillColumns(columns: SampleColumns, context: Context, row: Row): void {
  const { steps, query } = context
  columns.clear()
  columns.reserve(steps.count)
  const times = query.kernels.f64(columns.timesPtr, steps.count)
  const into = query.kernels.f64(columns.valuesPtr, steps.count)
  const { values, present } = viewsOf(context, row)
  let length = 0
  for (let i = 0; i < steps.count; i++) {
    if (present[i] === 0) continue
    times[length] = stepTimeMs(steps, i)
    into[length++] = values[i]!
  }
  columns.length = length
}
