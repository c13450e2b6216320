// Window functions where a window holds native histograms, or start timestamps are known: what comes in place of what the
// kernels found among its floats.
// Specification: Prometheus 3.14, promql/functions.go.
// Owns this slow path: windows of floats alone keep the kernels' value, series of floats alone never come here.

import { equalHistograms } from '../../histogram/histogram.ts'
import { HistogramTotal } from '../../histogram/mean.ts'
import { detectReset } from '../../histogram/reset.ts'
import type { Steps, WindowFunction } from '../../kernels/kernels.ts'
import { labelValue, metricName } from '../../labels/labels.ts'
import type { RateKind } from '../functions/extrapolate.ts'
import { startedInstantRate, startedRate, type TimedFloat } from '../functions/float-rate.ts'
import { histogramRate, instantHistogramRate, type RateNote, type TimedHistogram } from '../functions/histogram-rate.ts'
import { startedAnew } from '../functions/start-times.ts'
import type { Position } from '../parse/ast.ts'
import type { AnnotationSet } from './annotations.ts'
import { type Context, type StepHistograms, viewsOf } from './context.ts'
import {
  freshFloats,
  freshHistograms,
  inOrder,
  isFloat,
  type Outcome,
  putOutcomes,
  type SeriesColumns,
  type TimedSample,
  within,
} from './samples.ts'

/** A window that holds at least one histogram, or floats with start timestamps; stale markers are gone. */
interface MixedWindow {
  readonly floats: readonly TimedFloat[]
  readonly points: readonly TimedHistogram[]
  readonly startMs: number
  readonly endMs: number
  readonly notes: SeriesNotes
}

/** Annotations of one series. */
export interface SeriesNotes {
  readonly annotations: AnnotationSet
  readonly name: string
  readonly pos: Position
}

const functions: { readonly [K in WindowFunction]: (window: MixedWindow) => Outcome } = {
  rate: (window) => rateOf(window, { counter: true, perSecond: true }),
  increase: (window) => rateOf(window, { counter: true, perSecond: false }),
  delta: (window) => rateOf(window, { counter: false, perSecond: false }),
  irate: (window) => instantRateOf(window, true),
  idelta: (window) => instantRateOf(window, false),
  sum_over_time: (window) => totalOf(window, false),
  avg_over_time: (window) => totalOf(window, true),
  count_over_time: ({ floats, points }) => floats.length + points.length,
  present_over_time: () => 1,
  last_over_time: ({ floats, points }) => later(floats.at(-1), points.at(-1)!),
  first_over_time: ({ floats, points }) => earlier(floats[0], points[0]!),
  ts_of_last_over_time: ({ floats, points }) =>
    Math.max(floats.at(-1)?.timeMs ?? -Infinity, points.at(-1)!.timeMs) / 1000,
  ts_of_first_over_time: ({ floats, points }) => Math.min(floats[0]?.timeMs ?? Infinity, points[0]!.timeMs) / 1000,
  changes: (window) => countPairs(window, changed),
  resets: (window) => countPairs(window, wasReset),
  min_over_time: floatsAlone,
  max_over_time: floatsAlone,
  stddev_over_time: floatsAlone,
  stdvar_over_time: floatsAlone,
  mad_over_time: floatsAlone,
  quantile_over_time: floatsAlone,
  deriv: floatsAlone,
  predict_linear: floatsAlone,
  double_exponential_smoothing: floatsAlone,
  ts_of_min_over_time: floatsAlone,
  ts_of_max_over_time: floatsAlone,
}

export interface HistogramWindows {
  readonly func: WindowFunction
  /** Where annotations point. */
  readonly pos: Position
  readonly context: Context
  /** Ends of the windows: one a step, or one for all. */
  readonly reference: Steps
  readonly rangeMs: number
}

/** The series' histograms by step; floats that come of histograms, or vanish by them, are put into the row's values. */
export function windowHistograms(
  { func, pos, context, reference, rangeMs }: HistogramWindows,
  series: SeriesColumns,
  row: Parameters<typeof viewsOf>[1],
): StepHistograms {
  const { values, present } = viewsOf(context, row)
  const floats = freshFloats(series)
  const points = freshHistograms(series)
  const started = series.starts.length > 0
  const notes = { annotations: context.query.annotations, name: labelValue(series.labels, metricName), pos }
  return putOutcomes({ values, present }, reference, (endMs) => {
    const startMs = endMs - rangeMs
    const window = within(points, startMs, endMs)
    if (window.length === 0 && !started) return 'as floats'
    const inWindow = within(floats, startMs, endMs)
    if (window.length + inWindow.length === 0) return 'as floats'
    return functions[func]({ floats: inWindow, points: window, startMs, endMs, notes })
  })
}

function floatsAlone({ floats, notes }: MixedWindow): Outcome {
  if (floats.length > 0) notes.annotations.histogramsIgnoredInRange(notes.name, notes.pos)
  return 'as floats'
}

function refuseMixed({ floats, notes }: MixedWindow): boolean {
  if (floats.length === 0) return false
  notes.annotations.mixedInRange(notes.name, notes.pos)
  return true
}

export function say({ annotations, name, pos }: SeriesNotes, note: RateNote): void {
  const say: { readonly [K in RateNote]: () => void } = {
    'not-counter': () => annotations.nativeHistogramIsNot('counter', name, pos),
    'not-gauge': () => annotations.nativeHistogramIsNot('gauge', name, pos),
    'mixed-schemas': () => annotations.mixedSchemas(name, pos),
    'reconciled-addition': () => annotations.customBoundsReconciled('addition', pos),
    'reconciled-subtraction': () => annotations.customBoundsReconciled('subtraction', pos),
    'starts-overlap': () => annotations.startsOverlap(name, pos),
  }
  say[note]()
}

function rateOf(window: MixedWindow, kind: RateKind): Outcome {
  if (window.points.length === 0) return startedRate(window, kind, () => say(window.notes, 'starts-overlap'))
  return refuseMixed(window) ? undefined : histogramRate(window, kind, (note) => say(window.notes, note))
}

// Of the last two samples, whichever kind they are of.
function instantRateOf(window: MixedWindow, counter: boolean): Outcome {
  const [before, last] = inOrder(window).slice(-2)
  if (before === undefined || last === undefined) return undefined
  if (isFloat(before) && isFloat(last)) return counter ? startedInstantRate(before, last) : 'as floats'
  if (isFloat(before) || isFloat(last)) {
    window.notes.annotations.mixedInRange(window.notes.name, window.notes.pos)
    return undefined
  }
  return instantHistogramRate(before, last, counter, (note) => say(window.notes, note))
}

function totalOf(window: MixedWindow, average: boolean): Outcome {
  if (refuseMixed(window)) return undefined
  const { points, notes } = window
  const total = new HistogramTotal(points[0]!.histogram, { average })
  for (const { histogram } of points.slice(1)) total.add(histogram)
  const { findings } = total
  if (findings.incompatible) {
    notes.annotations.mixedSchemas(notes.name, notes.pos)
    return undefined
  }
  if (findings.hintsCollide) notes.annotations.counterResetsCollide('aggregation', notes.pos)
  if (findings.boundsReconciled) notes.annotations.customBoundsReconciled('aggregation', notes.pos)
  return total.result()
}

function later(float: TimedFloat | undefined, point: TimedHistogram): Outcome {
  return float !== undefined && float.timeMs > point.timeMs ? float.value : point.histogram
}

function earlier(float: TimedFloat | undefined, point: TimedHistogram): Outcome {
  return float !== undefined && float.timeMs < point.timeMs ? float.value : point.histogram
}

function countPairs(window: MixedWindow, counts: (before: TimedSample, after: TimedSample) => boolean): number {
  return pairs(inOrder(window), counts)
}

/** How many samples differ so from the one before. */
export function pairs(
  samples: readonly TimedSample[],
  counts: (before: TimedSample, after: TimedSample) => boolean,
): number {
  return samples.filter((sample, i) => i > 0 && counts(samples[i - 1]!, sample)).length
}

export function changed(before: TimedSample, after: TimedSample): boolean {
  if (isFloat(before) && isFloat(after)) {
    return before.value !== after.value && !(Number.isNaN(before.value) && Number.isNaN(after.value))
  }
  return isFloat(before) || isFloat(after) || !equalHistograms(after.histogram, before.histogram)
}

export function wasReset(before: TimedSample, after: TimedSample): boolean {
  if (isFloat(before) && isFloat(after)) return after.value < before.value || startedAnew(before, after)
  if (isFloat(before) || isFloat(after)) return true
  return startedAnew(before, after) || detectReset(after.histogram, before.histogram)
}
