// One series' samples on their way to operators: borrowed columns, and plain objects where kernels do not do.
// Specification: Prometheus 3.14, promql/engine.go (matrixIterSlice): stale markers end what came before, and are no samples.
// Owns the shapes of the slow paths, and how their outcomes get into rows.

import type { Histogram, HistogramPoint } from '../../histogram/histogram.ts'
import type { SampleColumns, Steps } from '../../kernels/kernels.ts'
import type { Labels } from '../../labels/labels.ts'
import type { TimedFloat } from '../functions/float-rate.ts'
import type { TimedHistogram } from '../functions/histogram-rate.ts'
import { stepTimeMs } from './context.ts'

/** One series' samples. Labels are the caller's; columns and histograms are borrowed until the next series is asked for. */
export interface SeriesColumns {
  readonly labels: Labels
  readonly dropName: boolean
  readonly columns: SampleColumns
  /** Times ascend; no time is in the columns too. */
  readonly histograms: readonly HistogramPoint[]
  /** Start timestamps of the floats, ms, 0 where not known; empty where none is known or they were not asked for. */
  readonly starts: readonly number[]
  /** Of downsampled series under count_over_time and avg_over_time: how many raw samples each item of the others is the sum of. */
  readonly counts?: SampleColumns | undefined
}

/** A series' samples without stale markers. */
export interface MixedSamples {
  readonly floats: readonly TimedFloat[]
  readonly points: readonly TimedHistogram[]
}

export type TimedSample = TimedFloat | TimedHistogram

export function isFloat(sample: TimedSample): sample is TimedFloat {
  return 'value' in sample
}

export function inOrder({ floats, points }: MixedSamples): TimedSample[] {
  return [...floats, ...points].sort((a, b) => a.timeMs - b.timeMs)
}

/** A value, a histogram, nothing, or what the kernels found. */
export type Outcome = number | Histogram | undefined | 'as floats'

/** Histograms by step, of an outcome at each reference time; other outcomes change the row. */
export function putOutcomes(
  { values, present }: { values: Float64Array; present: Uint8Array },
  reference: Steps,
  outcomeAt: (timeMs: number) => Outcome,
): (Histogram | undefined)[] {
  const histograms: (Histogram | undefined)[] = new Array(present.length).fill(undefined)
  for (let i = 0; i < present.length; i++) {
    const outcome = outcomeAt(stepTimeMs(reference, reference.count === 1 ? 0 : i))
    if (outcome === 'as floats') continue
    present[i] = typeof outcome === 'number' ? 1 : 0
    if (typeof outcome === 'number') values[i] = outcome
    else histograms[i] = outcome
  }
  return histograms
}

const staleBits = 0x7ff0000000000002n

/** A series' floats without stale markers. */
export function freshFloats({ columns, starts }: Pick<SeriesColumns, 'columns' | 'starts'>): TimedFloat[] {
  const values = columns.values()
  const bits = columns.valueBits()
  const floats: TimedFloat[] = []
  columns.times().forEach((timeMs, i) => {
    if (bits[i] !== staleBits) floats.push({ timeMs, value: values[i]!, startTimeMs: starts[i] ?? 0 })
  })
  return floats
}

/** The same of its histograms. */
export function freshHistograms({ histograms }: Pick<SeriesColumns, 'histograms'>): TimedHistogram[] {
  return histograms.filter((point): point is TimedHistogram => point.histogram !== undefined)
}

/** The items after one time and up to another. */
export function within<T extends { readonly timeMs: number }>(
  items: readonly T[],
  startMs: number,
  endMs: number,
): T[] {
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
