// Random series of native histograms, as a scraped process would count: resets, holes, buckets that come and go, stale markers.
// Owns the process that counts; chunks are made by cutHistograms.
import { staleHistogram } from '../../lib/chunkenc/decode-histogram.ts'
import {
  customBucketsSchema,
  type FloatHistogram,
  type HistogramSample,
  type Span,
} from '../../lib/chunkenc/float-histogram.ts'
import type { Random } from './random.ts'

export interface WildHistograms {
  readonly kind: 'counter' | 'gauge'
  readonly integer: boolean
  readonly buckets: 'exponential' | 'custom'
  /** The resolution and the zero bucket change now and then, with resets and without. */
  readonly changing: boolean
  readonly startMs: number
  readonly stepMs: number
  readonly samples: number
}

/** Ascending in time; hints are unknown, but for gauges. */
export function wildHistograms(random: Random, options: WildHistograms): HistogramSample[] {
  const out: HistogramSample[] = []
  let process = newProcess(random, options)
  let timeMs = options.startMs
  for (let i = 0; i < options.samples; i++) {
    timeMs += options.stepMs + random.below(options.stepMs / 10) + (random.chance(0.01) ? random.below(2e7) : 0)
    if (random.chance(0.01)) process = newProcess(random, options)
    if (options.kind === 'gauge' || (options.changing && random.chance(0.02)))
      process = { ...newProcess(random, options), ...(random.chance(0.5) && { schema: process.schema }) }
    observe(process, random, options)
    const stale = random.chance(0.005)
    const histogram = stale ? staleHistogram() : histogramOf(process, options)
    out.push({ timeMs, startTimeMs: 0, stale, integer: options.integer, histogram })
  }
  return out
}

interface Process {
  readonly schema: number
  readonly zeroThreshold: number
  readonly bounds: readonly number[]
  readonly positive: Map<number, number>
  readonly negative: Map<number, number>
  zero: number
  sum: number
}

function newProcess(random: Random, { buckets, changing }: WildHistograms): Process {
  const custom = buckets === 'custom'
  return {
    schema: custom ? customBucketsSchema : changing ? random.below(6) - 2 : 2,
    zeroThreshold: custom ? 0 : changing ? random.pick([0, 2 ** -10, 0.001, 1, 3]) : 2 ** -10,
    bounds: custom ? (changing && random.chance(0.5) ? [1, 2.5, 10, 50] : [0.5, 1, 2.5, 5, 10]) : [],
    positive: new Map(),
    negative: new Map(),
    zero: 0,
    sum: 0,
  }
}

function observe(process: Process, random: Random, { integer, buckets }: WildHistograms): void {
  const custom = buckets === 'custom'
  for (let left = random.below(6); left > 0; left--) {
    const amount = integer ? 1 + random.below(5) : random.float() * 3
    process.sum += amount * (random.float() * 10 - (custom ? 0 : 3))
    const index = custom
      ? random.below(process.bounds.length + 1)
      : Math.floor((random.float() + random.float()) * 20) - 15
    const side = random.below(10)
    if (!custom && side === 0) process.zero += amount
    else {
      const counts = !custom && side < 3 ? process.negative : process.positive
      counts.set(index, (counts.get(index) ?? 0) + amount)
    }
  }
}

function histogramOf(process: Process, { kind }: WildHistograms): FloatHistogram {
  const positive = bucketsOf(process.positive)
  const negative = bucketsOf(process.negative)
  const counts = [process.zero, ...positive.counts, ...negative.counts]
  return {
    counterResetHint: kind === 'gauge' ? 'gauge' : 'unknown',
    schema: process.schema,
    zeroThreshold: process.zeroThreshold,
    zeroCount: process.zero,
    count: counts.reduce((a, b) => a + b),
    sum: process.sum,
    positiveSpans: positive.spans,
    negativeSpans: negative.spans,
    positiveBuckets: Float64Array.from(positive.counts),
    negativeBuckets: Float64Array.from(negative.counts),
    customValues: Float64Array.from(process.bounds),
  }
}

function bucketsOf(map: ReadonlyMap<number, number>): { spans: Span[]; counts: number[] } {
  const spans: { offset: number; length: number }[] = []
  const entries = [...map].sort(([a], [b]) => a - b)
  let next = 0
  for (const [index] of entries) {
    const last = spans.at(-1)
    if (last && index === next) last.length++
    else spans.push({ offset: index - next, length: 1 })
    next = index + 1
  }
  return { spans, counts: entries.map(([, count]) => count) }
}
