// Anchored and smoothed selectors where a series has native histograms: the arithmetic of extended.ts over whole histograms.
// Specification: Prometheus 3.14, promql/functions.go (extendedHistogramRate, pickFirstSampleIndices) and promql/engine.go (smoothSeries).
// Owns this slow path; series of floats alone without start timestamps never come here.

import { compact, type Histogram, isCustom } from '../../histogram/histogram.ts'
import { detectReset } from '../../histogram/reset.ts'
import { divide, multiply } from '../../histogram/scale.ts'
import { addHistograms, subtractHistograms } from '../../histogram/sum.ts'
import type { TimedHistogram } from '../functions/histogram-rate.ts'
import type { ExtendedRange } from './extended.ts'
import { inOrder, type MixedSamples, type Outcome, within } from './samples.ts'
import { changed, pairs, type SeriesNotes, say, wasReset } from './window-histograms.ts'

/** A function's value over a range; `as floats` where no histogram counts for it, nor, for resets(), a start timestamp. */
export function extendedOutcome(func: string, all: MixedSamples, range: ExtendedRange, notes: SeriesNotes): Outcome {
  const { floats, points } = countingFor(all, range)
  const started = func === 'resets' && floats.some(({ startTimeMs }) => startTimeMs !== 0)
  if (points.length === 0 && !started) return 'as floats'
  if (func === 'changes' || func === 'resets') return countFromAnchor(func, { floats, points }, range.startMs)
  if (floats.length === 0) return extendedRate(func, points, range, notes)
  notes.annotations.mixedInRange(notes.name, notes.pos)
  return undefined
}

function countingFor({ floats, points }: MixedSamples, { extended, startMs, endMs, lookbackMs }: ExtendedRange) {
  const fromMs = startMs - lookbackMs
  const toMs = extended === 'smoothed' ? endMs + lookbackMs : endMs
  return { floats: within(floats, fromMs, toMs), points: within(points, fromMs, toMs) }
}

// The last sample at the start or before it, of either kind, and all after it.
function countFromAnchor(func: 'changes' | 'resets', samples: MixedSamples, startMs: number): number | undefined {
  const all = inOrder(samples)
  const after = all.findIndex(({ timeMs }) => timeMs > startMs)
  if (after === -1) return undefined
  return pairs(all.slice(Math.max(after - 1, 0)), func === 'changes' ? changed : wasReset)
}

function extendedRate(
  func: string,
  points: readonly TimedHistogram[],
  range: ExtendedRange,
  notes: SeriesNotes,
): Histogram | undefined {
  const isCounter = func !== 'delta'
  const ends = findEnds(points, range)
  if (ends === undefined) return undefined
  const { first, last } = ends
  if (!checkRange(points.slice(first, last + 1), isCounter, notes)) return undefined
  const { startMs, endMs, extended } = range
  const isSmoothed = extended === 'smoothed'
  const left =
    isSmoothed && points[first]!.timeMs < startMs
      ? interpolate(points[first]!, points[first + 1]!, { timeMs: startMs, isCounter, notes })
      : points[first]!.histogram
  const right =
    isSmoothed && last > 0 && points[last]!.timeMs > endMs
      ? interpolate(points[last - 1]!, points[last]!, { timeMs: endMs, isCounter, notes })
      : points[last]!.histogram
  if (left === undefined || right === undefined) return undefined
  if (!isCounter && (left.hint !== 'gauge' || right.hint !== 'gauge')) say(notes, 'not-gauge')
  let result = combine(right, left, 'subtraction', notes)
  if (isCounter && result !== undefined) {
    const [first, ...others] = resetCorrections(points, ends, { left, right, isSmoothed, startMs })
    let correction = first
    for (const lost of others) correction = correction && combine(correction, lost, 'addition', notes)
    if (first !== undefined) result = correction && combine(result, correction, 'addition', notes)
  }
  if (result === undefined) return undefined
  if (func === 'rate') result = divide(result, (endMs - startMs) / 1000)
  return compact({ ...result, hint: 'gauge' })
}

/** Indexes of the samples that the ends of the range are taken from. */
function findEnds(points: readonly TimedHistogram[], { extended, startMs, endMs }: ExtendedRange) {
  let last = points.length - 1
  const search = (holds: (timeMs: number) => boolean) => {
    const found = points.slice(0, last).findIndex(({ timeMs }) => holds(timeMs))
    return found === -1 ? last : found
  }
  const first = Math.max(0, search((timeMs) => timeMs > startMs) - 1)
  if (extended === 'smoothed') last = search((timeMs) => timeMs >= endMs)
  if (points[last]!.timeMs <= startMs) return undefined
  if (extended === 'smoothed' && points[first]!.timeMs > endMs) return undefined
  return { first, last }
}

function checkRange(points: readonly TimedHistogram[], isCounter: boolean, notes: SeriesNotes): boolean {
  for (const { histogram } of points) {
    if (isCustom(histogram) !== isCustom(points[0]!.histogram)) {
      say(notes, 'mixed-schemas')
      return false
    }
    if (isCounter && histogram.hint === 'gauge') say(notes, 'not-counter')
  }
  return true
}

/** What a sum or difference comes to; undefined, with a note, where the two do not go together. */
function combine(
  a: Histogram,
  b: Histogram,
  operation: 'addition' | 'subtraction',
  notes: SeriesNotes,
): Histogram | undefined {
  const added = operation === 'addition'
  const { met, ...rest } = added ? addHistograms(a, b) : subtractHistograms(a, b)
  if (met.incompatible) {
    say(notes, 'mixed-schemas')
    return undefined
  }
  if (met.boundsReconciled) say(notes, added ? 'reconciled-addition' : 'reconciled-subtraction')
  return 'sum' in rest ? rest.sum : rest.difference
}

// Between two samples, by a line. A counter that was reset between them began at 0.
function interpolate(
  from: TimedHistogram,
  to: TimedHistogram,
  { timeMs, isCounter, notes }: { timeMs: number; isCounter: boolean; notes: SeriesNotes },
): Histogram | undefined {
  if (timeMs === from.timeMs) return from.histogram
  if (timeMs === to.timeMs) return to.histogram
  const fraction = (timeMs - from.timeMs) / (to.timeMs - from.timeMs)
  if (isCounter && detectReset(to.histogram, from.histogram)) return multiply(to.histogram, fraction)
  const difference = combine(to.histogram, from.histogram, 'subtraction', notes)
  return difference && combine(multiply(difference, fraction), from.histogram, 'addition', notes)
}

/** What resets took away, in order; those that an interpolated end has seen to are left out. */
function resetCorrections(
  points: readonly TimedHistogram[],
  { first, last }: { first: number; last: number },
  ends: { left: Histogram; right: Histogram; isSmoothed: boolean; startMs: number },
): Histogram[] {
  let from = first + 1
  let before = ends.left
  const next = points[from]
  const isInterpolated = ends.isSmoothed && points[first]!.timeMs < ends.startMs
  if (isInterpolated && next !== undefined && detectReset(next.histogram, points[first]!.histogram)) {
    before = next.histogram
    from++
  }
  if (from > last) return []
  const lost: Histogram[] = []
  for (const histogram of [...points.slice(from, last).map((point) => point.histogram), ends.right]) {
    if (detectReset(histogram, before)) lost.push(before)
    before = histogram
  }
  return lost
}

/** The value of a smoothed instant selector at a time; `as floats` where no histogram is near. */
export function smoothedSample(all: MixedSamples, timeMs: number, lookbackMs: number, notes: SeriesNotes): Outcome {
  const near = countingFor(all, { extended: 'smoothed', startMs: timeMs, endMs: timeMs, lookbackMs })
  const { points } = near
  if (points.length === 0) return 'as floats'
  if (near.floats.length > 0) {
    notes.annotations.mixedInRange(notes.name, notes.pos)
    return undefined
  }
  const found = points.findIndex((point) => point.timeMs >= timeMs)
  const [before, after] = found === -1 ? [points.at(-1), undefined] : [points[found - 1], points[found]]
  if (after?.timeMs === timeMs) return after.histogram
  if (before === undefined) return undefined
  if (after === undefined) return { ...before.histogram, hint: 'unknown' }
  if (isCustom(before.histogram) !== isCustom(after.histogram)) {
    say(notes, 'mixed-schemas')
    return undefined
  }
  const isCounter = before.histogram.hint !== 'gauge' || after.histogram.hint !== 'gauge'
  return interpolate(before, after, { timeMs, isCounter, notes })
}
