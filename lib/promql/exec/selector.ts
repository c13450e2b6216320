// Reading series: a selector's samples into kernel columns, one series at a time, and the instant selector over them.
// Specification: Prometheus 3.14, promql/engine.go (getTimeRangesForSelector, evalSeries, matrixIterSlice).
// Owns the columns while a series is in them.

import { type HistogramPoint, sampleWeight } from '../../histogram/histogram.ts'
import { statsOf } from '../../histogram/stats.ts'
import type { SampleColumns, Steps } from '../../kernels/kernels.ts'
import { MnemoError } from '../../kit/errors.ts'
import type { Labels } from '../../labels/labels.ts'
import type { Select, SelectorPlan } from '../plan/plan.ts'
import type { SelectHints } from '../queryable.ts'
import {
  anyHistogram,
  anyPresent,
  type Context,
  checkAborted,
  type SeriesStream,
  stepTimeMs,
  viewsOf,
} from './context.ts'
import { floatSamples, smoothedValue } from './extended.ts'
import { lastHistograms } from './last-histograms.ts'
import { mergeEqualLabels } from './matrix.ts'
import { dropName } from './names.ts'

/** One series' samples. Labels are the caller's; columns and histograms are borrowed until the next series is asked for. */
export interface SeriesColumns {
  readonly labels: Labels
  readonly dropName: boolean
  readonly columns: SampleColumns
  /** Times ascend; no time is in the columns too. */
  readonly histograms: readonly HistogramPoint[]
}

/** The times that a selector or subquery looks at: the steps less the offset, or the one time of `@`. */
export function referenceSteps(time: { offsetMs: number; atMs: number | undefined }, steps: Steps): Steps {
  if (time.atMs !== undefined) return { startMs: time.atMs - time.offsetMs, stepMs: 1, count: 1 }
  return { startMs: steps.startMs - time.offsetMs, stepMs: steps.stepMs, count: steps.count }
}

/** All series of a selector that have samples in the window before any reference time. */
export async function* readSeries(
  select: Select,
  rangeMs: number,
  context: Context,
): AsyncGenerator<SeriesColumns, void, undefined> {
  const { kernels, queryable, signal, samples, annotations } = context.query
  const result = queryable.select(select.matchers, hintsOf(select, rangeMs, context), signal)
  const columns = kernels.columns()
  const histograms: HistogramPoint[] = []
  try {
    for await (const series of result.series) {
      checkAborted(signal)
      columns.clear()
      histograms.length = 0
      series.read(columns, histograms)
      samples.check(columns.length + weightOf(histograms))
      if (columns.length + histograms.length === 0) continue
      if (histograms.length > 0) refuseExtended(select)
      const points = select.withoutBuckets && histograms.length > 0 ? statsOf(histograms) : histograms
      yield { labels: series.labels, dropName: false, columns, histograms: points }
    }
  } finally {
    columns.free()
  }
  for (const warning of result.warnings) annotations.storageWarning(warning)
}

function refuseExtended({ extended }: Select): void {
  if (extended === undefined) return
  throw new MnemoError('unsupported', `native histograms are not supported in ${extended} selectors`)
}

function weightOf(points: readonly HistogramPoint[]): number {
  let weight = 0
  for (const { histogram } of points) weight += histogram === undefined ? 1 : sampleWeight(histogram)
  return weight
}

function hintsOf(select: Select, rangeMs: number, context: Context): SelectHints {
  const reference = referenceSteps(select, context.steps)
  const { lookbackMs } = context.query
  const beforeMs = rangeMs === 0 || select.extended ? lookbackMs : 0
  return {
    // The window is open at its left.
    minTime: reference.startMs - rangeMs - beforeMs + 1,
    maxTime: stepTimeMs(reference, reference.count - 1) + (select.extended === 'smoothed' ? lookbackMs : 0),
    stepMs: context.steps.count === 1 ? 0 : context.steps.stepMs,
    rangeMs,
    func: select.func,
    ...(select.grouping === undefined ? {} : { grouping: select.grouping }),
  }
}

/** The last sample before each step, no older than the lookback; or, for timestamp(), its time. */
export function instantSelector(plan: SelectorPlan, context: Context): SeriesStream {
  if (plan.select.extended === 'smoothed' && !plan.timestamps) return smoothedSamples(plan, context)
  const stream = lastSamples(plan, context)
  const apart = !plan.timestamps || plan.oneName || context.query.delayedNameRemoval
  return apart ? stream : mergeEqualLabels(stream, context)
}

async function* lastSamples(plan: SelectorPlan, context: Context): SeriesStream {
  const { kernels, lookbackMs } = context.query
  const { count } = context.steps
  const reference = { ...referenceSteps(plan.select, context.steps), count }
  const row = kernels.row(count)
  const times = plan.timestamps ? kernels.row(count) : undefined
  for await (const series of readSeries(plan.select, 0, context)) {
    kernels.lookback(series.columns, reference, lookbackMs, row, times)
    const histograms =
      series.histograms.length > 0 ? lastHistograms(series, reference, { context, row, times }) : undefined
    if (!anyPresent(context, row) && !anyHistogram(histograms)) continue
    if (times === undefined) {
      yield { labels: series.labels, dropName: false, row, histograms }
    } else {
      toSeconds(viewsOf(context, times).values)
      yield { ...dropName(context, series), row: { valuesPtr: times.valuesPtr, presentPtr: row.presentPtr } }
    }
  }
}

async function* smoothedSamples(plan: SelectorPlan, context: Context): SeriesStream {
  const { kernels, lookbackMs } = context.query
  const { count } = context.steps
  const reference = { ...referenceSteps(plan.select, context.steps), count }
  const row = kernels.row(count)
  for await (const { labels, columns } of readSeries(plan.select, 0, context)) {
    const samples = floatSamples(columns)
    const { values, present } = viewsOf(context, row)
    for (let i = 0; i < count; i++) {
      const value = smoothedValue(samples, stepTimeMs(reference, i), lookbackMs)
      present[i] = value === undefined ? 0 : 1
      values[i] = value ?? 0
    }
    if (anyPresent(context, row)) yield { labels, dropName: false, row, histograms: undefined }
  }
}

function toSeconds(timesMs: Float64Array): void {
  for (let i = 0; i < timesMs.length; i++) timesMs[i]! /= 1000
}
