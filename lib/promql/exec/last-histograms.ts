// The instant selector where a series has histograms: the last sample before each step, whichever kind it is of.
// Specification: Prometheus 3.14, promql/engine.go (vectorSelectorSingle).
// Owns this slow path; series of floats alone never come here.

import type { Histogram, HistogramPoint } from '../../histogram/histogram.ts'
import type { Row, SampleColumns, Steps } from '../../kernels/kernels.ts'
import { type Context, stepTimeMs, viewsOf } from './context.ts'

/**
 * Histograms by step. The row holds what the lookback found among the floats: it is cleared where a histogram is later.
 * With `times` (the samples' times, for timestamp()) a histogram's time goes there, and counts as a float.
 */
export function lastHistograms(
  { columns, histograms: points }: { columns: SampleColumns; histograms: readonly HistogramPoint[] },
  reference: Steps,
  { context, lookbackMs, row, times }: { context: Context; lookbackMs: number; row: Row; times: Row | undefined },
): (Histogram | undefined)[] | undefined {
  const { present } = viewsOf(context, row)
  const histograms: (Histogram | undefined)[] = new Array(present.length).fill(undefined)
  // Stale markers among them: they end what came before.
  const floats = columns.times()
  let nextFloat = 0
  let nextPoint = 0
  for (let i = 0; i < present.length; i++) {
    const atMs = stepTimeMs(reference, i)
    while (nextFloat < floats.length && floats[nextFloat]! <= atMs) nextFloat++
    while (nextPoint < points.length && points[nextPoint]!.timeMs <= atMs) nextPoint++
    const point = points[nextPoint - 1]
    if (point === undefined || point.timeMs <= atMs - lookbackMs) continue
    if (nextFloat > 0 && floats[nextFloat - 1]! > point.timeMs) continue
    const isSample = point.histogram !== undefined
    present[i] = times !== undefined && isSample ? 1 : 0
    if (times === undefined) histograms[i] = point.histogram
    else viewsOf(context, times).values[i] = point.timeMs
  }
  return times === undefined ? histograms : undefined
}
