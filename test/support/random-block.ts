// A block of two hours of random series, as scraped targets make them: counters with resets, gauges with NaN and infinities,
// classic and native histograms, holes, stale markers. No sample lies on a whole second, where old and new Prometheus differ.
// A tame one has nothing that they take otherwise: no holes in counters, no NaN, buckets that are cumulative.
// Owns the names that random-queries.ts asks for.
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { formatMeta } from '../../lib/blocks/meta-format.ts'
import { newUlid } from '../../lib/blocks/ulid.ts'
import { createKernels } from '../../lib/kernels/instance.ts'
import { compareLabels, compareStrings, type Labels, labelsOf } from '../../lib/labels/labels.ts'
import { BlockWriter } from '../../lib/tsdb/block-writer.ts'
import { encodeMixed, type MixedSample } from '../../lib/tsdb/overlap-mixed.ts'
import { metaOf } from './block-metas.ts'
import type { Random } from './random.ts'
import { wildHistograms } from './wild-histograms.ts'

/** What there is in the block: [start, end), ms, aligned as Prometheus aligns blocks of two hours. */
export const blockStartMs = 1_700_006_400_000
export const blockEndMs = blockStartMs + 7_200_000

const stepMs = 15_000
const staleBits = 0x7ff0000000000002n

interface RandomSeries {
  readonly labels: Labels
  readonly samples: readonly MixedSample[]
}

/** Writes the block below `folder`; returns its folder. Native histograms are in a wild one alone, start timestamps in a started one. */
export async function writeRandomBlock(
  folder: string,
  random: Random,
  kind: 'tame' | 'wild' | 'started',
): Promise<string> {
  const isTame = kind === 'tame'
  const plain = [...floatSeries(random, isTame), ...(isTame ? [] : histogramSeries(random))]
  const series = kind === 'started' ? plain.map((one) => started(one, random)) : plain
  series.sort((a, b) => compareLabels(a.labels, b.labels))
  const symbols = [...new Set(series.flatMap(({ labels }) => labels))].sort(compareStrings)
  const meta = metaOf({ minTime: blockStartMs, maxTime: blockEndMs, ulid: newUlid(blockStartMs) })
  await mkdir(folder, { recursive: true })
  const block = path.join(folder, meta.ulid)
  const writer = await BlockWriter.create({ folder: block, symbols })
  const kernels = createKernels()
  for (const { labels, samples } of series) await writer.addSeries(labels, encodeMixed(samples, kernels))
  await writer.finish(({ stats }) => formatMeta({ ...meta, stats }))
  return block
}

/** The same with start timestamps: most of them known, some that begin anew without a reset, some that overlap. */
function started({ labels, samples }: RandomSeries, random: Random): RandomSeries {
  if (random.chance(0.2)) return { labels, samples }
  let before = blockStartMs - 1000
  let startTimeMs = before
  const withStarts = samples.map((sample) => {
    if (random.chance(0.03))
      startTimeMs = random.pick([0, before, before - 5000, before + 1, sample.timeMs, sample.timeMs - 1])
    before = sample.timeMs
    return { ...sample, startTimeMs: Math.min(startTimeMs, sample.timeMs) }
  })
  return { labels, samples: withStarts }
}

const jobs = ['api', 'web', 'db']
const instances = ['a:1', 'b:2', 'c:3']
const bounds = ['0.1', '0.5', '1', '2.5', '+Inf']

function floatSeries(random: Random, isTame: boolean): RandomSeries[] {
  const series: RandomSeries[] = []
  const add = (labels: Record<string, string>, next: () => number, isCounter = false) => {
    const samples = isTame && isCounter ? everyStep(next) : floats(random, next)
    series.push({ labels: labelsOf(labels), samples })
  }
  for (const job of jobs) {
    for (const instance of instances) {
      if (random.chance(0.15)) continue
      const of = { job, instance }
      for (const code of ['200', '404', '500']) {
        if (random.chance(0.8)) add({ __name__: 'requests_total', code, ...of }, counter(random), true)
      }
      add({ __name__: 'errors_total', ...of }, counter(random), true)
      add({ __name__: 'temperature', ...of, zone: random.pick(['x', 'y']) }, gauge(random, isTame))
      add({ __name__: 'pressure', ...of }, wholeGauge(random))
      add({ __name__: 'up', ...of }, () => (random.chance(0.95) ? 1 : 0))
      add({ __name__: 'target_info', ...of, version: random.pick(['1', '2']) }, () => 1)
      let steps: number[] = []
      for (const le of bounds) {
        // A bucket grows by what the one below it grew by, at least.
        const below = isTame ? steps : []
        const grown: number[] = []
        steps = grown
        let count = 0
        const next = () => {
          const by = (below[grown.length] ?? 0) + random.below(3)
          grown.push(by)
          count += by
          return count
        }
        add({ __name__: 'latency_bucket', le, ...of }, next, true)
      }
    }
  }
  return series
}

function counter(random: Random): () => number {
  const step = random.pick([1, 0.1, 1e6])
  let value = random.below(100)
  return () => {
    if (random.chance(0.02)) value = random.below(3)
    else value += random.below(10) * step
    return value
  }
}

function gauge(random: Random, isTame: boolean): () => number {
  let value = random.float() * 40 - 10
  return () => {
    value += random.float() * 4 - 2
    if (!isTame && random.chance(0.01)) return random.pick([Number.NaN, Infinity, -Infinity, 0, -0, 1e300, -1e-300])
    return value
  }
}

function wholeGauge(random: Random): () => number {
  return () => random.below(7) - 2
}

function everyStep(next: () => number): MixedSample[] {
  const bits = new BigUint64Array(1)
  const value = new Float64Array(bits.buffer)
  return Array.from({ length: 478 }, (_, i) => {
    value[0] = next()
    return { timeMs: blockStartMs + i * stepMs + 137, startTimeMs: 0, bits: bits[0]! }
  })
}

function floats(random: Random, next: () => number): MixedSample[] {
  const samples: MixedSample[] = []
  const bits = new BigUint64Array(1)
  const value = new Float64Array(bits.buffer)
  const endMs = random.chance(0.1) ? blockStartMs + random.below(7_200_000) : blockEndMs
  for (let at = blockStartMs + stepMs + random.below(stepMs); at < endMs - stepMs; at += stepMs) {
    const jitterMs = random.chance(0.2) ? random.below(4000) : 0
    const timeMs = offSecond(at + jitterMs)
    if (random.chance(0.01)) {
      samples.push({ timeMs, startTimeMs: 0, bits: staleBits })
      at += random.below(600_000)
      continue
    }
    value[0] = next()
    samples.push({ timeMs, startTimeMs: 0, bits: bits[0]! })
  }
  return samples
}

/** 1 to 999 ms behind a whole second. */
function offSecond(timeMs: number): number {
  return timeMs % 1000 === 0 ? timeMs + 137 : timeMs
}

function histogramSeries(random: Random): RandomSeries[] {
  const series: RandomSeries[] = []
  const kinds = [
    ['duration_seconds', 'counter', 'exponential', false],
    ['size_bytes', 'counter', 'exponential', true],
    ['load', 'gauge', 'exponential', true],
    ['custom_seconds', 'counter', 'custom', false],
    ['changing_seconds', 'counter', 'custom', true],
  ] as const
  for (const [name, kind, buckets, changing] of kinds) {
    for (const job of jobs) {
      for (const instance of instances.slice(0, 2)) {
        const shape = { kind, buckets, changing, integer: random.chance(0.5) }
        const samples = wildHistograms(random, { ...shape, startMs: blockStartMs + 137, stepMs, samples: 440 })
        const within = samples.map((sample) => ({ ...sample, timeMs: offSecond(sample.timeMs) }))
        const labels = labelsOf({ __name__: name, job, instance })
        series.push({ labels, samples: within.filter(({ timeMs }) => timeMs < blockEndMs) })
      }
    }
  }
  series.push(mixedSeries(random))
  return series
}

/** Floats that become histograms, and floats again. */
function mixedSeries(random: Random): RandomSeries {
  const all = floats(random, counter(random))
  const shape = { kind: 'counter', buckets: 'exponential', changing: false, integer: false } as const
  const histograms = wildHistograms(random, { ...shape, startMs: blockStartMs + 137, stepMs, samples: 440 })
  const turn = (timeMs: number) => Math.floor((timeMs - blockStartMs) / 1_800_000) % 2
  const samples: MixedSample[] = [
    ...all.filter(({ timeMs }) => turn(timeMs) === 0),
    ...histograms.map((h) => ({ ...h, timeMs: offSecond(h.timeMs) })).filter(({ timeMs }) => turn(timeMs) === 1),
  ]
  samples.sort((a, b) => a.timeMs - b.timeMs)
  const labels = labelsOf({ __name__: 'mixed', job: 'api', instance: 'a:1' })
  return { labels, samples: samples.filter(({ timeMs }) => timeMs < blockEndMs) }
}
