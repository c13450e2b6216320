// sort, sort_by_label: the order of an instant query's answer. In a range query labels alone order the answer.
// Specification: Prometheus 3.14, promql/functions.go (funcSort, funcSortByLabel).
// Owns the order of equal values and of NaN, which goes last; histograms have no place in the order of values.

import { compareLabels, labelValue } from '../../labels/labels.ts'
import { naturalLess } from '../functions/natural-sort.ts'
import { ascending, descending, type Less, sortLikeGo } from '../functions/value-heap.ts'
import type { VectorPlan } from '../plan/plan.ts'
import { anyPresent, type Context, type SeriesStream } from './context.ts'
import { collectStream, emit, type KeptSeries } from './matrix.ts'

type PlanOf<K> = Extract<VectorPlan, { kind: K }>
type Before = (a: KeptSeries, b: KeptSeries) => boolean

export function sortOperator(plan: PlanOf<'sort'>, context: Context): SeriesStream {
  // Reversing the other order puts NaN last.
  const less: Less = plan.descending ? ascending : descending
  return ordered(plan, context, (a, b) => less(b.values[0]!, a.values[0]!))
}

export function sortByLabelOperator(plan: PlanOf<'sort_by_label'>, context: Context): SeriesStream {
  const before: Before = (a, b) => {
    for (const name of plan.labels) {
      const x = labelValue(a.labels, name)
      const y = labelValue(b.labels, name)
      if (x !== y) return naturalLess(x, y) !== plan.descending
    }
    const order = compareLabels(a.labels, b.labels)
    return plan.descending ? order > 0 : order < 0
  }
  return ordered(plan, context, before)
}

async function* sortable(plan: PlanOf<'sort' | 'sort_by_label'>, context: Context): SeriesStream {
  for await (const series of context.query.run.vector(plan.child, context)) {
    if (plan.kind === 'sort_by_label' || series.histograms === undefined) yield series
    else if (anyPresent(context, series.row)) yield { ...series, histograms: undefined }
  }
}

async function* ordered(plan: PlanOf<'sort' | 'sort_by_label'>, context: Context, before: Before): SeriesStream {
  if (!context.instant) {
    yield* sortable(plan, context)
    context.query.annotations.sortInRangeQuery(plan.pos)
    return
  }
  const matrix = await collectStream(sortable(plan, context), context)
  const order = sortLikeGo([...matrix.series.keys()], (a, b) => before(matrix.series[a]!, matrix.series[b]!))
  yield* emit(matrix, context, order)
}
