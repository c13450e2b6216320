// Reading series: a selector's samples into kernel columns, one series at a time, and the instant selector over them.
// Specification: Prometheus 3.14, promql/engine.go (getTimeRangesForSelector, evalSeries, matrixIterSlice).
// Owns the columns while a series is in them.

import { type HistogramPoint, sampleWeight } from '../../histogram/histogram.ts'
import { type ReadWindows, statsOf } from '../../histogram/stats.ts'
import type { SampleColumns, Steps } from '../../kernels/kernels.ts'
import { labelValue, metricName } from '../../labels/labels.ts'
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
import { smoothedSample } from './extended-histograms.ts'
import { lastHistograms } from './last-histograms.ts'
import { mergeEqualLabels } from './matrix.ts'
import { dropName } from './names.ts'
import { freshFloats, freshHistograms, putOutcomes, type SeriesColumns } from './samples.ts'

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
  const { kernels, queryable, signal, samples, annotations, analysis } = context.query
  const windows = readWindows(select, rangeMs, context)
  const result = queryable.select(select.matchers, hintsOf(select, { rangeMs, windows }, context), signal)
  const columns = kernels.columns()
  const histograms: HistogramPoint[] = []
  const starts: number[] = []
  let totalCounts: (SampleColumns & { free(): void }) | undefined
  try {
    for await (const batch of result.batches) {
      for (const series of batch) {
        checkAborted(signal)
        columns.clear()
        histograms.length = 0
        starts.length = 0
        if (series.readTotals) totalCounts ??= kernels.columns()
        totalCounts?.clear()
        const counts = series.readTotals ? totalCounts : undefined
        if (counts) series.readTotals?.({ columns, histograms, counts })
        else series.read(columns, histograms, select.startTimestamps ? starts : undefined)
        samples.check(columns.length + (counts?.length ?? 0) + weightOf(histograms))
        analysis?.read(select, Math.max(columns.length, counts?.length ?? 0) + histograms.length)
        if (columns.length + histograms.length + (counts?.length ?? 0) === 0) continue
        const points = select.withoutBuckets && histograms.length > 0 ? statsOf(histograms, windows) : histograms
        yield { labels: series.labels, dropName: false, columns, histograms: points, starts, counts }
      }
    }
  } finally {
    columns.free()
    totalCounts?.free()
  }
  for (const warning of result.warnings) annotations.storageWarning(warning)
  analysis?.asked(select, result.stores ?? [])
}

/** What histograms weigh among a query's samples; a stale marker is one. */
export function weightOf(points: readonly HistogramPoint[]): number {
  let weight = 0
  for (const { histogram } of points) weight += histogram === undefined ? 1 : sampleWeight(histogram)
  return weight
}

/** All that is looked at for a reference time: with what lies before the range, or behind it. */
function readWindows(select: Select, rangeMs: number, context: Context): ReadWindows {
  const reference = referenceSteps(select, context.steps)
  const { lookbackMs } = context.query
  const beforeMs = rangeMs === 0 || select.extended ? lookbackMs : 0
  const afterMs = select.extended === 'smoothed' ? lookbackMs : 0
  return { ...reference, startMs: reference.startMs + afterMs, rangeMs: beforeMs + rangeMs + afterMs }
}

function hintsOf(
  select: Select,
  { rangeMs, windows }: { rangeMs: number; windows: ReadWindows },
  context: Context,
): SelectHints {
  return {
    // The window is open at its left.
    minTime: windows.startMs - windows.rangeMs + 1,
    maxTime: stepTimeMs(windows, windows.count - 1),
    stepMs: context.steps.count === 1 ? 0 : context.steps.stepMs,
    rangeMs,
    func: select.func,
    ...(select.grouping === undefined ? {} : { grouping: select.grouping }),
    ...(select.projection && { projection: select.projection }),
    ...(select.startTimestamps && { startTimestamps: true }),
  }
}

/** The last sample before each step, no older than the lookback; or, for timestamp() and its like, a time of it. */
export function instantSelector(plan: SelectorPlan, context: Context): SeriesStream {
  if (plan.select.extended === 'smoothed' && plan.shows === 'value') return smoothedSamples(plan, context)
  const stream = lastSamples(plan, context)
  const apart = plan.shows === 'value' || plan.oneName || context.query.delayedNameRemoval
  return apart ? stream : mergeEqualLabels(stream, context)
}

// Under timestamp() Prometheus forgets the offset of a selector that has @ too, but for the samples that it reads.
function lookedAt({ select, shows }: SelectorPlan, context: Context): { reference: Steps; lookbackMs: number } {
  const { lookbackMs } = context.query
  const { count } = context.steps
  const { offsetMs, atMs } = select
  const reference = { ...referenceSteps(select, context.steps), count }
  if (shows === 'value' || atMs === undefined || offsetMs === 0) return { reference, lookbackMs }
  const startMs = atMs - Math.max(offsetMs, 0)
  return { reference: { ...reference, startMs }, lookbackMs: lookbackMs - Math.abs(offsetMs) }
}

async function* lastSamples(plan: SelectorPlan, context: Context): SeriesStream {
  const { kernels } = context.query
  const { count } = context.steps
  const { reference, lookbackMs } = lookedAt(plan, context)
  const row = kernels.row(count)
  const times = plan.shows === 'value' ? undefined : kernels.row(count)
  for await (const series of readSeries(plan.select, 0, context)) {
    if (lookbackMs <= 0) continue
    kernels.lookback(series.columns, reference, lookbackMs, row, times)
    const histograms =
      series.histograms.length > 0 ? lastHistograms(series, reference, { context, lookbackMs, row, times }) : undefined
    if (!anyPresent(context, row) && !anyHistogram(histograms)) continue
    context.stats?.addLast(viewsOf(context, row).present, histograms)
    if (plan.shows === 'nothing') continue
    if (times === undefined) {
      yield { labels: series.labels, dropName: false, row, histograms }
    } else {
      const shown = viewsOf(context, times).values
      if (plan.shows === 'startTime') replaceByStarts(shown, viewsOf(context, row).present, series)
      for (let i = 0; i < shown.length; i++) shown[i]! /= 1000
      yield { ...dropName(context, series), row: { valuesPtr: times.valuesPtr, presentPtr: row.presentPtr } }
    }
  }
}

/** Puts the start timestamp of each sample in place of its time, ms. */
function replaceByStarts(
  timesMs: Float64Array,
  present: Uint8Array,
  { columns, histograms, starts }: SeriesColumns,
): void {
  const startsByTime = new Map(histograms.map(({ timeMs, startTimeMs }) => [timeMs, startTimeMs ?? 0]))
  columns.times().forEach((timeMs, i) => {
    startsByTime.set(timeMs, starts[i] ?? 0)
  })
  for (let i = 0; i < timesMs.length; i++) if (present[i] === 1) timesMs[i] = startsByTime.get(timesMs[i]!) ?? 0
}

async function* smoothedSamples(plan: SelectorPlan, context: Context): SeriesStream {
  const { kernels, lookbackMs, annotations } = context.query
  const { count } = context.steps
  const reference = { ...referenceSteps(plan.select, context.steps), count }
  const row = kernels.row(count)
  for await (const series of readSeries(plan.select, 0, context)) {
    const { labels, columns } = series
    const samples = floatSamples(columns)
    const { values, present } = viewsOf(context, row)
    for (let i = 0; i < count; i++) {
      const value = smoothedValue(samples, stepTimeMs(reference, i), lookbackMs)
      present[i] = value === undefined ? 0 : 1
      values[i] = value ?? 0
    }
    const notes = { annotations, name: labelValue(labels, metricName), pos: plan.pos }
    const mixed = { floats: freshFloats(series), points: freshHistograms(series) }
    const outcome = (timeMs: number) => smoothedSample(mixed, timeMs, lookbackMs, notes)
    const histograms = mixed.points.length > 0 ? putOutcomes({ values, present }, reference, outcome) : undefined
    if (anyPresent(context, row) || anyHistogram(histograms)) yield { labels, dropName: false, row, histograms }
  }
}
