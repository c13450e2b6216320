// What a merged and downsampled series must be, told from its samples alone: maps by time, loops over windows.
// Owns nothing; it is slow, and obviously right.
import { expect } from 'vitest'
import { aggregates, splitAggregates } from '../../../../lib/chunkenc/aggregate.ts'
import { decodeHistogramChunk, isHistogramEncoding } from '../../../../lib/chunkenc/decode-histogram.ts'
import { createKernels } from '../../../../lib/kernels/instance.ts'
import type { BlockChunk } from '../../../../lib/tsdb/block-writer.ts'
import { decodeMixed, type MixedSample } from '../../../../lib/tsdb/overlap-mixed.ts'
import type { WildSeries } from '../../../support/wild-blocks.ts'
import { numbersOf } from './histogram-windows.ts'

const kernels = createKernels()
const staleBits = 0x7ff0000000000002n

/** All that a sample says, its hint aside: that is of the chunk. */
function keyOf(sample: MixedSample): string {
  if ('bits' in sample) return `${sample.bits} since ${sample.startTimeMs}`
  if (sample.stale) return 'stale histogram'
  const { schema, zeroThreshold, customValues } = sample.histogram
  return JSON.stringify([schema, zeroThreshold, ...customValues, ...[...numbersOf(sample.histogram)].sort()])
}

function samplesOf(chunks: readonly BlockChunk[], about: string): MixedSample[] {
  let last = Number.NEGATIVE_INFINITY
  return chunks.flatMap((chunk) => {
    const samples = decodeMixed(chunk, kernels)
    const times = samples.map(({ timeMs }) => timeMs)
    expect([chunk.minTime, chunk.maxTime, chunk.numSamples], about).toEqual([times[0], times.at(-1), times.length])
    for (const time of times) {
      if (!(time > last)) expect.fail(`${about}: time ${time} after ${last}`)
      last = time
    }
    return samples
  })
}

function candidates({ parts }: WildSeries): Map<number, Set<string>> {
  const all = new Map<number, Set<string>>()
  for (const sample of parts.flat()) all.set(sample.timeMs, (all.get(sample.timeMs) ?? new Set()).add(keyOf(sample)))
  return all
}

/** Every time once, with a sample that was there at that time. Returns the samples. */
export function expectOneToOne(chunks: readonly BlockChunk[], wild: WildSeries, about: string): MixedSample[] {
  const want = candidates(wild)
  const got = samplesOf(chunks, about)
  expect(
    got.map(({ timeMs }) => timeMs),
    about,
  ).toEqual([...want.keys()].sort((a, b) => a - b))
  for (const sample of got)
    if (!want.get(sample.timeMs)!.has(keyOf(sample))) expect.fail(`${about}: another sample at ${sample.timeMs}`)
  return got
}

/** Nothing that was not there; and all of it where the blocks agree and do not overlap, or hold copies. */
export function expectPenalty(chunks: readonly BlockChunk[], wild: WildSeries, about: string): void {
  const want = candidates(wild)
  const got = samplesOf(chunks, `${about} by penalty`)
  for (const sample of got)
    if (!want.get(sample.timeMs)?.has(keyOf(sample)))
      expect.fail(`${about} by penalty: another sample at ${sample.timeMs}`)
  const overlaps = wild.parts.slice(4).some((part) => part.length > 0)
  if (!overlaps) expect(got.length, about).toBe(want.size)
  else expect(got.length, about).toBeGreaterThan(0)
}

interface Totals {
  count: number
  sum: number
  min: number
  max: number
  /** Of the counter at the window's end; NaN where the series is none, or is one of histograms. */
  counter: number
}

const none = (): Totals => ({ count: 0, sum: 0, min: Number.MAX_VALUE, max: -Number.MAX_VALUE, counter: Number.NaN })

/** Each window's aggregates are those of the samples that lie in it: of floats by value, of histograms by their counts. */
export function expectDownsampled(
  chunks: readonly BlockChunk[],
  samples: readonly MixedSample[],
  { resolutionMs, about }: { readonly resolutionMs: number; readonly about: string },
): void {
  const windowOf = (timeMs: number) => Math.floor(timeMs / resolutionMs)
  const isFloat = (sample: MixedSample) => 'bits' in sample
  const name = `${about} at ${resolutionMs} ms`
  expectTotals(floatWindows(chunks, windowOf, name), floatTotals(samples.filter(isFloat), windowOf), `${name}, floats`)
  const histograms = samples.filter((sample) => !isFloat(sample))
  expectTotals(histogramWindows(chunks, windowOf), histogramTotals(histograms, windowOf), `${name}, histograms`)
}

function expectTotals(got: Map<number, Totals>, want: Map<number, Totals>, name: string): void {
  expect(
    [...got.keys()].sort((a, b) => a - b),
    name,
  ).toEqual([...want.keys()].sort((a, b) => a - b))
  for (const [window, totals] of want)
    for (const [part, value] of Object.entries(totals) as [keyof Totals, number][]) {
      const found = got.get(window)![part]
      if (part === 'counter' && Number.isNaN(value)) continue
      const isClose =
        Object.is(found, value) ||
        found === value ||
        Math.abs(found - value) <= 1e-9 * Math.max(1, Math.abs(value), Math.abs(totals.max) * totals.count)
      if (!isClose) expect.fail(`${name}, window ${window}: ${part} is ${found}, want ${value}`)
    }
}

function floatTotals(samples: readonly MixedSample[], windowOf: (timeMs: number) => number): Map<number, Totals> {
  const windows = new Map<number, Totals>()
  let last: number | undefined
  const isCounter = samples.every(
    (sample) => !('bits' in sample) || !(floatOf(sample.bits) < 0 || floatOf(sample.bits) === Infinity),
  )
  let counter = isCounter ? 0 : Number.NaN
  for (const sample of samples) {
    const value = 'bits' in sample ? floatOf(sample.bits) : Number.NaN
    if (Number.isNaN(value)) continue
    counter += last === undefined || value < last ? value : value - last
    last = value
    const totals = windows.get(windowOf(sample.timeMs)) ?? none()
    windows.set(windowOf(sample.timeMs), totals)
    totals.count++
    totals.sum += value
    totals.min = value < totals.min ? value : totals.min
    totals.max = value > totals.max ? value : totals.max
    totals.counter = counter
  }
  return windows
}

function floatOf(bits: bigint): number {
  return bits === staleBits ? Number.NaN : new Float64Array(BigUint64Array.of(bits).buffer)[0]!
}

function floatWindows(
  chunks: readonly BlockChunk[],
  windowOf: (timeMs: number) => number,
  name: string,
): Map<number, Totals> {
  const windows = new Map<number, Totals>()
  const columns = kernels.columns()
  const counters = kernels.columns()
  for (const { data } of chunks) {
    const parts = splitAggregates(data)
    if (parts.counter === undefined || isHistogramEncoding(parts.counter.encoding)) continue
    kernels.decodeXor(parts.counter.data, counters)
    for (const part of aggregates) {
      if (part === 'counter') continue
      columns.clear()
      kernels.decodeXor(parts[part]!.data, columns)
      const values = columns.values()
      for (const [i, time] of columns.times().entries()) {
        const totals = windows.get(windowOf(time)) ?? none()
        windows.set(windowOf(time), totals)
        totals[part] =
          part === 'min'
            ? Math.min(totals.min, values[i]!)
            : part === 'max'
              ? Math.max(totals.max, values[i]!)
              : totals[part] + values[i]!
      }
    }
  }
  if (counters.length > 0) kernels.applyResets(counters)
  const values = counters.values()
  for (const [i, time] of counters.times().entries()) {
    const totals = windows.get(windowOf(time))
    if (totals === undefined) expect.fail(`${name}: a counter at ${time}, where nothing is counted`)
    totals.counter = values[i]!
  }
  columns.free()
  counters.free()
  return windows
}

function histogramTotals(samples: readonly MixedSample[], windowOf: (timeMs: number) => number): Map<number, Totals> {
  const windows = new Map<number, Totals>()
  for (const sample of samples) {
    if ('bits' in sample || sample.stale) continue
    const totals = windows.get(windowOf(sample.timeMs)) ?? none()
    windows.set(windowOf(sample.timeMs), totals)
    totals.count++
    totals.sum += sample.histogram.count
  }
  return windows
}

function histogramWindows(chunks: readonly BlockChunk[], windowOf: (timeMs: number) => number): Map<number, Totals> {
  const windows = new Map<number, Totals>()
  const columns = kernels.columns()
  for (const { data } of chunks) {
    const { count, sum, counter } = splitAggregates(data)
    if (counter === undefined || !isHistogramEncoding(counter.encoding)) continue
    columns.clear()
    kernels.decodeXor(count!.data, columns)
    const values = columns.values()
    const sums = decodeHistogramChunk(sum!.encoding, sum!.data)
    for (const [i, time] of columns.times().entries()) {
      const totals = windows.get(windowOf(time)) ?? none()
      windows.set(windowOf(time), totals)
      totals.count += values[i]!
      totals.sum += sums[i]!.histogram.count
    }
  }
  columns.free()
  return windows
}
