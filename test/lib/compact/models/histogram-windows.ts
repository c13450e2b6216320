// Downsampling of histograms told plainly: which samples fall into a window, and maps of bucket counts that are added.
// For series whose schema and zero bucket never change. Owns nothing; it is slow, and obviously right.
import type { FloatHistogram, HistogramSample, Span } from '../../../../lib/chunkenc/float-histogram.ts'

/** All numbers of a histogram by name: `count`, `sum`, `zero`, `+3` for the positive bucket 3; empty buckets are left out. */
export type Numbers = ReadonlyMap<string, number>

export interface ModelWindow {
  readonly timeMs: number
  readonly count: number
  readonly sum: Numbers
  readonly counter: Numbers
}

export function numbersOf(h: FloatHistogram): Numbers {
  const numbers = new Map([
    ['count', h.count],
    ['sum', h.sum],
    ['zero', h.zeroCount],
  ])
  const put = (sign: string, spans: readonly Span[], counts: Float64Array) => {
    let index = 0
    let at = 0
    for (const { offset, length } of spans) {
      index += offset
      for (let i = 0; i < length; i++, index++) if (counts[at++] !== 0) numbers.set(`${sign}${index}`, counts[at - 1]!)
    }
  }
  put('+', h.positiveSpans, h.positiveBuckets)
  put('-', h.negativeSpans, h.negativeBuckets)
  return numbers
}

/** Windows of a batch: samples with a sum that is a number, without stale markers. */
export function modelWindows(batch: readonly HistogramSample[], resolutionMs: number): ModelWindow[] {
  const kept = batch.filter(({ stale, histogram }) => !stale && !Number.isNaN(histogram.sum))
  const lastMs = kept.at(-1)?.timeMs ?? 0
  const endOf = (timeMs: number) =>
    Math.min(Math.floor(timeMs / resolutionMs) * resolutionMs + resolutionMs - 1, lastMs)
  const windows: ModelWindow[] = []
  let counter: Numbers = new Map()
  let previous: Numbers = new Map()
  for (const [timeMs, samples] of Map.groupBy(kept, (sample) => endOf(sample.timeMs))) {
    let sum: Numbers = new Map()
    for (const { histogram } of samples) {
      const now = numbersOf(histogram)
      sum = added(sum, now, 1)
      const isReset = histogram.counterResetHint !== 'gauge' && fell(previous, now)
      counter = added(counter, isReset ? now : added(now, previous, -1), 1)
      previous = now
    }
    windows.push({ timeMs, count: samples.length, sum, counter })
  }
  return windows
}

function fell(before: Numbers, now: Numbers): boolean {
  return [...before].some(([name, value]) => name !== 'sum' && (now.get(name) ?? 0) < value)
}

function added(a: Numbers, b: Numbers, sign: number): Numbers {
  const sum = new Map(a)
  for (const [name, value] of b) sum.set(name, (sum.get(name) ?? 0) + sign * value)
  return sum
}
