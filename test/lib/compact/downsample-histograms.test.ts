// Native histograms downsampled: Thanos's own output, and random series against a plain model, custom buckets among them.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { splitAggregates } from '../../../lib/chunkenc/aggregate.ts'
import { cutHistograms } from '../../../lib/chunkenc/cut-histograms.ts'
import { decodeHistogramChunk, isHistogramEncoding } from '../../../lib/chunkenc/decode-histogram.ts'
import type { HistogramSample } from '../../../lib/chunkenc/float-histogram.ts'
import { SeriesDownsampler } from '../../../lib/compact/downsample-series.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { formatLabels } from '../../../lib/labels/labels.ts'
import type { BlockChunk } from '../../../lib/tsdb/block-writer.ts'
import { goldenPath } from '../../support/golden.ts'
import { type LoadedSeries, loadBlock } from '../../support/local-block.ts'
import { Random, seed } from '../../support/random.ts'
import { type WildHistograms, wildHistograms } from '../../support/wild-histograms.ts'
import { modelWindows, type Numbers, numbersOf } from './models/histogram-windows.ts'

const kernels = createKernels()
const downsampler = new SeriesDownsampler(kernels)
const fiveMinutesMs = 300_000
const hourMs = 3_600_000

interface Windows {
  readonly count: [number, number][]
  readonly sum: [number, Numbers][]
  readonly counter: [number, Numbers][]
}

function windowsOf(chunks: readonly BlockChunk[]): Windows {
  const out: Windows = { count: [], sum: [], counter: [] }
  const columns = kernels.columns()
  for (const { data } of chunks) {
    const parts = splitAggregates(data)
    columns.clear()
    kernels.decodeXor(parts.count!.data, columns)
    const values = columns.values()
    out.count.push(...[...columns.times()].map((time, i): [number, number] => [time, values[i]!]))
    for (const name of ['sum', 'counter'] as const)
      for (const { timeMs, histogram } of decodeHistogramChunk(parts[name]!.encoding, parts[name]!.data))
        out[name].push([timeMs, numbersOf(histogram)])
  }
  columns.free()
  return out
}

const golden = new Map(
  readdirSync(goldenPath('downsampled-histograms')).map((ulid) => {
    const folder = goldenPath('downsampled-histograms', ulid)
    const { thanos } = JSON.parse(readFileSync(path.join(folder, 'meta.json'), 'utf8'))
    return [thanos.downsample.resolution as number, folder]
  }),
)

async function goldenPairs(resolutionMs: number): Promise<{ input: LoadedSeries; want: LoadedSeries }[]> {
  const histograms = goldenPath('blocks', 'histograms')
  const raw = path.join(histograms, readdirSync(histograms).find((name) => !name.includes('.'))!)
  const inputs = await loadBlock(resolutionMs === fiveMinutesMs ? raw : golden.get(fiveMinutesMs)!)
  const wants = await loadBlock(golden.get(resolutionMs)!)
  return wants.map((want) => ({
    input: inputs.find(({ labels }) => formatLabels(labels) === formatLabels(want.labels))!,
    want,
  }))
}

const coarser = (resolutionMs: number, chunks: readonly BlockChunk[]) =>
  resolutionMs === fiveMinutesMs ? downsampler.fromRaw(chunks) : downsampler.fromFiveMinutes(chunks)

test.each([fiveMinutesMs, hourMs])("byte for byte Thanos's at %i ms", async (resolutionMs) => {
  const pairs = await goldenPairs(resolutionMs)
  expect(pairs).toHaveLength(10)
  for (const { input, want } of pairs) {
    // Thanos loses windows there, see below.
    if (resolutionMs === fiveMinutesMs && want.labels.includes('zero_threshold_change')) continue
    const got = coarser(resolutionMs, input.chunks)
    expect(got.map(plain), formatLabels(want.labels)).toEqual(want.chunks.map(plain))
  }
})

function plain({ data, ...chunk }: BlockChunk) {
  return { ...chunk, data: Buffer.from(data).toString('hex') }
}

test('where the zero bucket changes, Thanos has all counts but loses sums; ours has both, and the same where Thanos has them', async () => {
  const pairs = await goldenPairs(fiveMinutesMs)
  const { input, want } = pairs.find(({ want }) => want.labels.includes('zero_threshold_change'))!
  const got = windowsOf(downsampler.fromRaw(input.chunks))
  const theirs = windowsOf(want.chunks)
  expect(got.count).toEqual(theirs.count)
  expect(theirs.sum.length).toBeLessThan(theirs.count.length)
  for (const name of ['sum', 'counter'] as const) {
    expect(got[name].map(([time]) => time)).toEqual(got.count.map(([time]) => time))
    expect(got[name]).toEqual(expect.arrayContaining(theirs[name]))
  }
})

const startMs = 1_699_920_000_000

function wildOptions(random: Random, changing: boolean): WildHistograms {
  return {
    kind: random.pick(['counter', 'counter', 'gauge']),
    integer: random.chance(0.5),
    buckets: random.pick(['exponential', 'custom']),
    changing,
    startMs: startMs + random.below(1e6),
    stepMs: random.pick([15_000, 60_000, 300_000, 700_000]),
    samples: 1 + random.below(random.pick([5, 100, 600])),
  }
}

const cases = 150

test(`${cases} random series against the model (SEED=${seed})`, () => {
  const random = new Random(seed)
  for (let i = 0; i < cases; i++) {
    const samples = wildHistograms(random, wildOptions(random, false))
    const chunks = downsampler.fromRaw(cutHistograms(samples))
    const name = `case ${i} at 5 minutes`
    const batches = chunks.map((chunk) => batchOf(samples, chunk))
    expect(batches.flat(), name).toEqual(samples.filter(({ stale }) => !stale))
    for (const [at, chunk] of chunks.entries())
      expectWindows(windowsOf([chunk]), modelWindows(batches[at]!, fiveMinutesMs), name)
    expectCoarser(chunks, `case ${i} at an hour`)
  }
})

/** The samples that a chunk's windows are of: those up to its end, behind the chunk before it. */
function batchOf(samples: readonly HistogramSample[], { minTime, maxTime }: BlockChunk): HistogramSample[] {
  const from = Math.floor(minTime / fiveMinutesMs) * fiveMinutesMs
  return samples.filter(({ timeMs, stale }) => !stale && timeMs >= from && timeMs <= maxTime)
}

function expectWindows(got: Windows, want: ReturnType<typeof modelWindows>, name: string): void {
  expect(got.count, name).toEqual(want.map(({ timeMs, count }) => [timeMs, count]))
  for (const part of ['sum', 'counter'] as const) {
    expect(
      got[part].map(([time]) => time),
      name,
    ).toEqual(want.map(({ timeMs }) => timeMs))
    for (const [i, [, numbers]] of got[part].entries()) expectClose(numbers, want[i]![part], `${name} ${part} ${i}`)
  }
}

/** Floats are added in another order than in the model. */
function expectClose(got: Numbers, want: Numbers, name: string): void {
  const scale = Math.max(...[...want.values()].map(Math.abs), 1)
  for (const key of new Set([...got.keys(), ...want.keys()]))
    if (!(Math.abs((got.get(key) ?? 0) - (want.get(key) ?? 0)) <= scale * 1e-9))
      expect.fail(`${name}: ${key} is ${got.get(key)}, want ${want.get(key)}`)
}

/** An hour holds the counts and sums of its five minutes: nothing is lost or counted twice on the way. */
function expectCoarser(fiveMinutes: readonly BlockChunk[], name: string): void {
  const before = windowsOf(fiveMinutes)
  const after = windowsOf(downsampler.fromFiveMinutes(fiveMinutes))
  const total = (counts: readonly [number, number][]) => counts.reduce((sum, [, count]) => sum + count, 0)
  expect(total(after.count), name).toBe(total(before.count))
  const countsOf = (sums: readonly [number, Numbers][]) => sums.reduce((sum, [, n]) => sum + n.get('count')!, 0)
  expect(countsOf(after.sum) / countsOf(before.sum) || 1, name).toBeCloseTo(1, 9)
  expect(after.counter.at(-1)?.[0], name).toBe(before.counter.at(-1)?.[0])
}

test(`series whose layout changes: every window has all three aggregates, none is lost (SEED=${seed})`, () => {
  const random = new Random(seed + 1)
  for (let i = 0; i < 50; i++) {
    const samples = wildHistograms(random, wildOptions(random, true))
    const chunks = downsampler.fromRaw(cutHistograms(samples))
    for (const at of [chunks, downsampler.fromFiveMinutes(chunks)]) {
      const { count, sum, counter } = windowsOf(at)
      const times = count.map(([time]) => time)
      expect(sum.map(([time]) => time)).toEqual(times)
      expect(counter.map(([time]) => time)).toEqual(times)
      expect(new Set(times).size).toBe(times.length)
      const counted = samples.filter(({ stale }) => !stale)
      expect(count.reduce((total, [, n]) => total + n, 0)).toBe(counted.length)
      const observed = counted.reduce((total, { histogram }) => total + histogram.count, 0)
      expect(sum.reduce((total, [, n]) => total + n.get('count')!, 0) / observed || 1).toBeCloseTo(1, 9)
    }
  }
})

test('a schema that gets coarser in the middle is no reset, wherever chunks begin', () => {
  const sample = (i: number, schema: number): HistogramSample => ({
    timeMs: startMs + i * 15_000,
    startTimeMs: 0,
    stale: false,
    integer: true,
    histogram: {
      counterResetHint: 'unknown',
      schema,
      zeroThreshold: 0,
      zeroCount: 0,
      count: 100 + i,
      sum: i,
      positiveSpans: [{ offset: 1, length: 1 }],
      negativeSpans: [],
      positiveBuckets: Float64Array.of(100 + i),
      negativeBuckets: new Float64Array(),
      customValues: new Float64Array(),
    },
  })
  const samples = Array.from({ length: 600 }, (_, i) => sample(i, i < 500 ? 3 : 2))
  const { counter } = windowsOf(downsampler.fromRaw(cutHistograms(samples)))
  expect(counter.at(-1)?.[1].get('count')).toBe(699)
})

test('floats and histograms of one series stay in their own chunks, in order', async () => {
  const folder = goldenPath('blocks', 'histograms')
  const block = await loadBlock(path.join(folder, readdirSync(folder).find((name) => !name.includes('.'))!))
  const mixed = block.find(({ labels }) => labels.includes('mixed'))!
  const got = downsampler.fromRaw(mixed.chunks)
  const kinds = got.map(({ data }) => isHistogramEncoding(splitAggregates(data).counter!.encoding))
  expect(new Set(kinds)).toEqual(new Set([true, false]))
  for (let i = 1; i < got.length; i++) expect(got[i]!.minTime).toBeGreaterThan(got[i - 1]!.maxTime)
})
