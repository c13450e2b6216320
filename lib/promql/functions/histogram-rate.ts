// rate, increase, delta, irate and idelta of the native histograms in a window.
// Specification: Prometheus 3.14, promql/functions.go (histogramRate, extrapolatedRate, instantValue).
// Owns counter resets between histograms and the extrapolation to the window's edges.

import { compact, type Histogram, isCustom, noBuckets } from '../../histogram/histogram.ts'
import { detectReset } from '../../histogram/reset.ts'
import { divide, multiply, toSchema } from '../../histogram/scale.ts'
import { HistogramSum, subtractHistograms } from '../../histogram/sum.ts'

export interface TimedHistogram {
  readonly timeMs: number
  readonly histogram: Histogram
}

/** What a series' histograms gave rise to; each may come up more than once. */
export type RateNote = 'not-counter' | 'not-gauge' | 'mixed-schemas' | 'reconciled-addition' | 'reconciled-subtraction'

export interface RateKind {
  /** Resets are made up for; else (delta) the last is taken less the first. */
  readonly counter: boolean
  readonly perSecond: boolean
}

export interface RateWindow {
  /** At least one, times ascending. */
  readonly points: readonly TimedHistogram[]
  readonly startMs: number
  readonly endMs: number
}

type OnNote = (note: RateNote) => void

/** The increase of the window, extrapolated; undefined where there is none. */
export function histogramRate(window: RateWindow, kind: RateKind, note: OnNote): Histogram | undefined {
  const { points } = window
  if (points.length < 2) return undefined
  const increase = increaseOf(points, kind.counter, note)
  if (increase === undefined) return undefined
  return multiply(increase, extrapolation(window, increase, kind))
}

function increaseOf(points: readonly TimedHistogram[], counter: boolean, note: OnNote): Histogram | undefined {
  const first = points[0]!.histogram
  const last = points.at(-1)!.histogram
  if (counter && (first.hint === 'gauge' || last.hint === 'gauge')) note('not-counter')
  // A reset right after the first sample: its buckets count for nothing, whatever their layout.
  const second = points[1]!.histogram
  const start = counter && detectReset(second, first) ? emptyLike(second) : first
  const schema = lowestSchema(points, start, counter, note)
  if (schema === undefined) return undefined
  const sum = new HistogramSum(toSchema(last, schema), { compensated: false })
  if (sum.subtract(start).boundsReconciled) note('reconciled-subtraction')
  if (counter) addResets(sum, points, start, note)
  else if (first.hint !== 'gauge' || last.hint !== 'gauge') note('not-gauge')
  return compact({ ...sum.value(), hint: 'gauge' })
}

function emptyLike({ schema, customBounds }: Histogram): Histogram {
  const zero = { zeroThreshold: 0, zeroCount: 0, count: 0, sum: 0 }
  return { hint: 'unknown', schema, customBounds, ...zero, positive: noBuckets, negative: noBuckets }
}

/** The resolution that all relevant samples have; undefined, with a note, where some buckets are custom and others not. */
function lowestSchema(
  points: readonly TimedHistogram[],
  start: Histogram,
  counter: boolean,
  note: OnNote,
): number | undefined {
  const last = points.at(-1)!.histogram
  let schema = Math.min(last.schema, start.schema)
  let fits = isCustom(last) === isCustom(start)
  if (fits && counter) {
    for (const { histogram } of points.slice(1, -1)) {
      if (histogram.hint === 'gauge') note('not-counter')
      schema = Math.min(schema, histogram.schema)
      fits &&= isCustom(histogram) === isCustom(start)
    }
  }
  if (!fits) note('mixed-schemas')
  return fits ? schema : undefined
}

function addResets(sum: HistogramSum, points: readonly TimedHistogram[], start: Histogram, note: OnNote): void {
  let previous = start
  for (const { histogram } of points.slice(1)) {
    if (detectReset(histogram, previous) && sum.add(previous).boundsReconciled) note('reconciled-addition')
    previous = histogram
  }
}

/** What the increase between the samples is multiplied by, to be that of the window. */
function extrapolation(
  { points, startMs, endMs }: RateWindow,
  increase: Histogram,
  { counter, perSecond }: RateKind,
): number {
  const firstMs = points[0]!.timeMs
  const lastMs = points.at(-1)!.timeMs
  const sampledSeconds = (lastMs - firstMs) / 1000
  const averageSeconds = sampledSeconds / (points.length - 1)
  const threshold = averageSeconds * 1.1
  let toStart = (firstMs - startMs) / 1000
  let toEnd = (endMs - lastMs) / 1000
  if (toStart >= threshold) toStart = averageSeconds / 2
  const firstCount = points[0]!.histogram.count
  if (counter && increase.count > 0 && firstCount >= 0) {
    // A counter does not begin below zero.
    toStart = Math.min(toStart, sampledSeconds * (firstCount / increase.count))
  }
  if (toEnd >= threshold) toEnd = averageSeconds / 2
  const factor = sampledSeconds === 0 ? 1 : (sampledSeconds + toStart + toEnd) / sampledSeconds
  return perSecond ? factor / ((endMs - startMs) / 1000) : factor
}

/** Between the last two samples: irate (`counter`, per second) and idelta. */
export function instantHistogramRate(
  earlier: TimedHistogram,
  later: TimedHistogram,
  counter: boolean,
  note: OnNote,
): Histogram | undefined {
  const both = [earlier.histogram.hint, later.histogram.hint]
  if (counter && both.includes('gauge')) note('not-counter')
  if (!counter && both.some((hint) => hint !== 'gauge')) note('not-gauge')
  let result = later.histogram
  if (!counter || !detectReset(later.histogram, earlier.histogram)) {
    const { difference, met } = subtractHistograms(later.histogram, earlier.histogram)
    if (met.incompatible) {
      note('mixed-schemas')
      return undefined
    }
    if (met.boundsReconciled) note('reconciled-subtraction')
    result = difference
  }
  const compacted = compact({ ...result, hint: 'gauge' })
  return counter ? divide(compacted, (later.timeMs - earlier.timeMs) / 1000) : compacted
}
