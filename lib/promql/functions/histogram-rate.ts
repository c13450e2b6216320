// rate, increase, delta, irate and idelta of the native histograms in a window.
// Specification: Prometheus 3.14, promql/functions.go (histogramRate, extrapolatedRate, instantValue).
// Owns counter resets between histograms, by their buckets and by start timestamps.

import { compact, type Histogram, isCustom, noBuckets } from '../../histogram/histogram.ts'
import { detectReset } from '../../histogram/reset.ts'
import { divide, multiply, toSchema } from '../../histogram/scale.ts'
import { addHistograms, HistogramSum, subtractHistograms } from '../../histogram/sum.ts'
import { extrapolation, type RateKind, zeroWithin } from './extrapolate.ts'
import { type Started, startedAnew, startsOverlap } from './start-times.ts'

export interface TimedHistogram extends Started {
  readonly histogram: Histogram
}

/** What a series' histograms gave rise to; each may come up more than once. */
export type RateNote =
  | 'not-counter'
  | 'not-gauge'
  | 'mixed-schemas'
  | 'reconciled-addition'
  | 'reconciled-subtraction'
  | 'starts-overlap'

export interface RateWindow {
  /** At least one, times ascending. */
  readonly points: readonly TimedHistogram[]
  readonly startMs: number
  readonly endMs: number
}

type OnNote = (note: RateNote) => void

/** The increase of the window, extrapolated; undefined where there is none. */
export function histogramRate(window: RateWindow, kind: RateKind, note: OnNote): Histogram | undefined {
  const { points, startMs, endMs } = window
  const first = points[0]!
  const zeroAtMs = kind.counter ? zeroWithin(window, first) : undefined
  if (points.length < 2 && zeroAtMs === undefined) return undefined
  let increase = points.length < 2 ? first.histogram : increaseOf(points, kind.counter, note)
  if (increase !== undefined && zeroAtMs !== undefined && points.length > 1) {
    increase = withFirst(increase, first.histogram, note)
  }
  if (increase === undefined) return undefined
  const times = {
    startMs,
    endMs,
    firstMs: first.timeMs,
    lastMs: points.at(-1)!.timeMs,
    samples: points.length,
    zeroAtMs,
  }
  return multiply(
    increase,
    extrapolation({ ...times, firstValue: first.histogram.count, increase: increase.count }, kind),
  )
}

function withFirst(increase: Histogram, first: Histogram, note: OnNote): Histogram | undefined {
  const { sum, met } = addHistograms(increase, first)
  if (met.incompatible) {
    note('mixed-schemas')
    return undefined
  }
  if (met.boundsReconciled) note('reconciled-addition')
  return sum
}

function increaseOf(points: readonly TimedHistogram[], counter: boolean, note: OnNote): Histogram | undefined {
  const first = points[0]!.histogram
  const last = points.at(-1)!.histogram
  // A reset right after the first sample: its buckets count for nothing, whatever their layout.
  const second = points[1]!.histogram
  const anew = counter && (startedAnew(points[0]!, points[1]!) || detectReset(second, first))
  const start = anew ? emptyLike(second) : first
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
  const misfits = (histogram: Histogram) => isCustom(histogram) !== isCustom(start)
  let schema = Math.min(last.schema, start.schema)
  let isGauge = points[0]!.histogram.hint === 'gauge' || last.hint === 'gauge'
  if (counter && !misfits(last)) {
    for (const { histogram } of points.slice(1, -1)) {
      // As in Prometheus, which forgets here what it had to say before.
      if (misfits(histogram)) {
        note('mixed-schemas')
        return undefined
      }
      isGauge ||= histogram.hint === 'gauge'
      schema = Math.min(schema, histogram.schema)
    }
  }
  if (counter && isGauge) note('not-counter')
  if (misfits(last)) note('mixed-schemas')
  return misfits(last) ? undefined : schema
}

function addResets(sum: HistogramSum, points: readonly TimedHistogram[], start: Histogram, note: OnNote): void {
  let previous = start
  let overlaps = false
  for (let i = 1; i < points.length; i++) {
    const [before, point] = [points[i - 1]!, points[i]!]
    overlaps ||= startsOverlap(before, point)
    const anew = startedAnew(before, point) || detectReset(point.histogram, previous)
    if (anew && sum.add(previous).boundsReconciled) note('reconciled-addition')
    previous = point.histogram
  }
  if (overlaps) note('starts-overlap')
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
  if (!counter || !(startedAnew(earlier, later) || detectReset(later.histogram, earlier.histogram))) {
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
