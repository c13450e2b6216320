// Native histograms in scripts: {{schema:1 sum:5 count:4 buckets:[1 2 1]}}, runs of them, and those made of classic ones.
// Specification: Prometheus 3.14, promql/parser (buildHistogramFromMap, histogramsSeries), util/convertnhcb and promqltest.
// Owns this notation, and when two histograms count as the same.

import { spansOf } from '../../../lib/chunkenc/cut-histograms.ts'
import {
  type CounterResetHint,
  customBucketsSchema,
  type FloatHistogram,
} from '../../../lib/chunkenc/float-histogram.ts'
import {
  bucketsOf,
  compact,
  equalNumbers,
  type Histogram,
  isCustom,
  noBuckets,
} from '../../../lib/histogram/histogram.ts'
import { addHistograms, subtractHistograms } from '../../../lib/histogram/sum.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { parseFloatGo } from '../../../lib/promql/functions/go-format.ts'
import { almostEqual } from '../../../lib/promql/functions/quantile.ts'

export interface WrittenHistogram {
  readonly histogram: Histogram
  /** The hint is written out: an answer must have it. */
  readonly hintSet: boolean
}

const item = /^\{\{(.*?)\}\}(?:([+-])\{\{(.*?)\}\})?(?:x(\d+))?$/

/** One histogram, or a run: `{{…}}x5`, `{{…}}+{{…}}x5`. Throws `bad_data` where the text is none. */
export function parseHistograms(text: string): WrittenHistogram[] {
  const match = item.exec(text)
  if (match === null) throw new MnemoError('bad_data', `got "${text}", want a histogram`)
  const [, first, sign, step, times] = match as unknown as [string, string, string?, string?, string?]
  let histogram = parseHistogram(first)
  const change = step === undefined ? undefined : parseHistogram(step)
  const hintSet = /counter_reset_hint/.test(step ?? first)
  const run = [{ histogram, hintSet }]
  for (let i = 0; i < Number(times ?? 0); i++) {
    if (change !== undefined) {
      histogram = sign === '-' ? subtractHistograms(histogram, change).difference : addHistograms(histogram, change).sum
    }
    run.push({ histogram, hintSet })
  }
  return run
}

function parseHistogram(text: string): Histogram {
  const fields = new Map<string, string>()
  for (const [, name, value] of text.matchAll(/([a-z_]+):(\[[^\]]*\]|\S+)/g)) fields.set(name!, value!)
  const number = (name: string) => parseNumber(fields.get(name) ?? '0')
  const numbers = (name: string) =>
    (fields.get(name) ?? '[]').slice(1, -1).split(/\s+/).filter(Boolean).map(parseNumber)
  const buckets = (name: string, offset: string) => {
    const counts = numbers(name)
    return bucketsOf([{ offset: number(offset), length: counts.length }], counts)
  }
  return {
    hint: (fields.get('counter_reset_hint') ?? 'unknown') as CounterResetHint,
    schema: number('schema'),
    zeroThreshold: number('z_bucket_w'),
    zeroCount: number('z_bucket'),
    count: number('count'),
    sum: number('sum'),
    positive: buckets('buckets', 'offset'),
    negative: buckets('n_buckets', 'n_offset'),
    customBounds: numbers('custom_values'),
  }
}

function parseNumber(text: string): number {
  const value = parseFloatGo(text)
  if (value === undefined) throw new MnemoError('bad_data', `got "${text}", want a number of a histogram`)
  return value
}

/** The histogram as chunks hold it. */
export function chunkHistogramOf(h: Histogram): FloatHistogram {
  return {
    counterResetHint: h.hint,
    schema: h.schema,
    zeroThreshold: h.zeroThreshold,
    zeroCount: h.zeroCount,
    count: h.count,
    sum: h.sum,
    positiveSpans: spansOf(h.positive.indexes),
    negativeSpans: spansOf(h.negative.indexes),
    positiveBuckets: Float64Array.from(h.positive.counts),
    negativeBuckets: Float64Array.from(h.negative.counts),
    customValues: Float64Array.from(h.customBounds),
  }
}

/** A classic histogram at one time, as its series tell of it. */
export interface ClassicSample {
  readonly buckets: Map<number, number>
  count: number | undefined
  sum: number
}

/** The histogram with custom buckets that has a classic one's; undefined where its counts contradict each other. */
export function customHistogramOf({ buckets, count, sum }: ClassicSample): Histogram | undefined {
  const sorted = [...buckets].sort(([a], [b]) => a - b)
  const total = count ?? sorted.at(-1)?.[1] ?? 0
  if (sorted.at(-1)?.[0] !== Infinity) sorted.push([Infinity, total])
  const counts = sorted.map(([, upTo], i) => upTo - (i === 0 ? 0 : sorted[i - 1]![1]))
  if (counts.some((one) => one < 0) || sorted.at(-1)![1] !== total) return undefined
  return compact({
    hint: 'unknown',
    schema: customBucketsSchema,
    zeroThreshold: 0,
    zeroCount: 0,
    count: total,
    sum,
    positive: bucketsOf([{ offset: 0, length: counts.length }], counts),
    negative: noBuckets,
    customBounds: sorted.slice(0, -1).map(([bound]) => bound),
  })
}

/** Whether an answer's histogram is the one that was written, its numbers within a relative 1e-6. */
export function sameHistogram(got: Histogram, { histogram, hintSet }: WrittenHistogram): boolean {
  const [a, b] = [compact(got), compact(histogram)]
  const near = (x: number, y: number) => almostEqual(x, y, 1e-6)
  const nearAll = (x: readonly number[], y: readonly number[]) =>
    x.length === y.length && x.every((value, i) => near(value, y[i]!))
  return (
    a.schema === b.schema &&
    near(a.count, b.count) &&
    near(a.sum, b.sum) &&
    (!isCustom(a) || equalNumbers(a.customBounds, b.customBounds)) &&
    a.zeroThreshold === b.zeroThreshold &&
    near(a.zeroCount, b.zeroCount) &&
    [a.positive, a.negative].every((side, i) => {
      const want = i === 0 ? b.positive : b.negative
      return equalNumbers(side.indexes, want.indexes) && nearAll(side.counts, want.counts)
    }) &&
    (!hintSet || a.hint === b.hint)
  )
}
