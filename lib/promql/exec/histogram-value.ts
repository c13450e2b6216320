// histogram_count and its like: a number of each native histogram, nothing of floats.
// Specification: Prometheus 3.14, promql/functions.go (simpleHistogramFunc).
// Owns the table of these functions.

import type { Histogram } from '../../histogram/histogram.ts'
import { histogramVariance } from '../functions/histogram-estimate.ts'
import type { HistogramValuePlan } from '../plan/plan.ts'
import { type Context, type SeriesRow, type SeriesStream, viewsOf } from './context.ts'
import { mapDroppingName, withoutNameAlone } from './names.ts'

const functions: { readonly [K in HistogramValuePlan['func']]: (h: Histogram) => number } = {
  histogram_count: ({ count }) => count,
  histogram_sum: ({ sum }) => sum,
  histogram_avg: ({ sum, count }) => sum / count,
  histogram_stddev: (h) => Math.sqrt(histogramVariance(h)),
  histogram_stdvar: histogramVariance,
}

export function histogramValueOperator(plan: HistogramValuePlan, context: Context): SeriesStream {
  const func = functions[plan.func]
  const apply = ({ row, histograms }: SeriesRow) => {
    if (histograms === undefined) return false
    const { values, present } = viewsOf(context, row)
    for (let i = 0; i < values.length; i++) {
      const histogram = histograms[i]
      present[i] = histogram === undefined ? 0 : 1
      if (histogram !== undefined) values[i] = func(histogram)
    }
    return true
  }
  const dropping = { context, oneName: plan.oneName, without: withoutNameAlone }
  return mapDroppingName(context.query.run.vector(plan.child, context), dropping, apply)
}
