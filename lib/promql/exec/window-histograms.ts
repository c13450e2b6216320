// Window functions where a window holds native histograms: what comes in place of what the kernels found among its floats.
// Specification: Prometheus 3.14, promql/functions.go.
// Owns this slow path: windows of floats alone keep the kernels' value, series of floats alone never come here.

import { equalHistograms, type Histogram } from '../../histogram/histogram.ts'
import { HistogramTotal } from '../../histogram/mean.ts'
import { detectReset } from '../../histogram/reset.ts'
import type { SampleColumns, Steps, WindowFunction } from '../../kernels/kernels.ts'
import { labelValue, metricName } from '../../labels/labels.ts'
import {
  histogramRate,
  instantHistogramRate,
  type RateKind,
  type RateNote,
  type TimedHistogram,
} from '../functions/histogram-rate.ts'
import type { Position } from '../parse/ast.ts'
import type { AnnotationSet } from './annotations.ts'
import { type Context, type StepHistograms, stepTimeMs, viewsOf } from './context.ts'
import type { SeriesColumns } from './selector.ts'

/** A window that holds at least one histogram; stale markers are gone. */
interface MixedWindow {
  readonly floats: readonly TimedFloat[]
  readonly points: readonly TimedHistogram[]
  readonly startMs: number
  readonly endMs: number
  readonly notes: SeriesNotes
}

interface TimedFloat {
  readonly timeMs: number
  readonly value: number
}

/** A value, a histogram, nothing, or what the kernels found. */
type Outcome = number | Histogram | undefined | 'as floats'

/** Annotations of one series. */
interface SeriesNotes {
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
  ts_of_last_over_time: ({ floats, points }) => Math.max(floats.at(-1)?.timeMs ?? 0, points.at(-1)!.timeMs) / 1000,
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
  const floats = freshFloats(series.columns)
  const points = series.histograms.filter((point): point is TimedHistogram => point.histogram !== undefined)
  const notes = { annotations: context.query.annotations, name: labelValue(series.labels, metricName), pos }
  const histograms: (Histogram | undefined)[] = new Array(present.length).fill(undefined)
  for (let i = 0; i < present.length; i++) {
    const endMs = stepTimeMs(reference, reference.count === 1 ? 0 : i)
    const startMs = endMs - rangeMs
    const window = within(points, startMs, endMs)
    if (window.length === 0) continue
    const outcome = functions[func]({ floats: within(floats, startMs, endMs), points: window, startMs, endMs, notes })
    if (outcome === 'as floats') continue
    present[i] = typeof outcome === 'number' ? 1 : 0
    if (typeof outcome === 'number') values[i] = outcome
    else histograms[i] = outcome
  }
  return histograms
}

const staleBits = 0x7ff0000000000002n

function freshFloats(columns: SampleColumns): TimedFloat[] {
  const values = columns.values()
  const bits = columns.valueBits()
  const floats: TimedFloat[] = []
  columns.times().forEach((timeMs, i) => {
    if (bits[i] !== staleBits) floats.push({ timeMs, value: values[i]! })
  })
  return floats
}

/** The items after one time and up to another. */
function within<T extends { readonly timeMs: number }>(items: readonly T[], startMs: number, endMs: number): T[] {
  return items.slice(countUpTo(items, startMs), countUpTo(items, endMs))
}

function countUpTo(items: readonly { readonly timeMs: number }[], timeMs: number): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (items[middle]!.timeMs <= timeMs) low = middle + 1
    else high = middle
  }
  return low
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

function say({ annotations, name, pos }: SeriesNotes, note: RateNote): void {
  const say: { readonly [K in RateNote]: () => void } = {
    'not-counter': () => annotations.nativeHistogramIsNot('counter', name, pos),
    'not-gauge': () => annotations.nativeHistogramIsNot('gauge', name, pos),
    'mixed-schemas': () => annotations.mixedSchemas(name, pos),
    'reconciled-addition': () => annotations.customBoundsReconciled('addition', pos),
    'reconciled-subtraction': () => annotations.customBoundsReconciled('subtraction', pos),
  }
  say[note]()
}

function rateOf(window: MixedWindow, kind: RateKind): Outcome {
  return refuseMixed(window) ? undefined : histogramRate(window, kind, (note) => say(window.notes, note))
}

// Of the last two samples, whichever kind they are of.
function instantRateOf(window: MixedWindow, counter: boolean): Outcome {
  const [before, last] = inOrder(window).slice(-2)
  if (before === undefined || last === undefined) return undefined
  if (isFloat(before) && isFloat(last)) return 'as floats'
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

type TimedSample = TimedFloat | TimedHistogram

function isFloat(sample: TimedSample): sample is TimedFloat {
  return 'value' in sample
}

function later(float: TimedFloat | undefined, point: TimedHistogram): Outcome {
  return float !== undefined && float.timeMs > point.timeMs ? float.value : point.histogram
}

function earlier(float: TimedFloat | undefined, point: TimedHistogram): Outcome {
  return float !== undefined && float.timeMs < point.timeMs ? float.value : point.histogram
}

function inOrder({ floats, points }: MixedWindow): TimedSample[] {
  return [...floats, ...points].sort((a, b) => a.timeMs - b.timeMs)
}

function countPairs(window: MixedWindow, counts: (before: TimedSample, after: TimedSample) => boolean): number {
  const samples = inOrder(window)
  return samples.filter((sample, i) => i > 0 && counts(samples[i - 1]!, sample)).length
}

function changed(before: TimedSample, after: TimedSample): boolean {
  if (isFloat(before) && isFloat(after)) {
    return before.value !== after.value && !(Number.isNaN(before.value) && Number.isNaN(after.value))
  }
  return isFloat(before) || isFloat(after) || !equalHistograms(after.histogram, before.histogram)
}

function wasReset(before: TimedSample, after: TimedSample): boolean {
  if (isFloat(before) && isFloat(after)) return after.value < before.value
  return isFloat(before) || isFloat(after) || detectReset(after.histogram, before.histogram)
}
