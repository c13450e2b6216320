// Random buckets: groups of blocks that follow each other, with holes, with blocks that overlap, or of two replicas; series of
// every kind that come and go, before 1970 too. The same seed gives the same samples everywhere.
// Owns what is put where; chunks and blocks are written by the project's own writers.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { newUlid } from '../../lib/blocks/ulid.ts'
import { uploadBlock } from '../../lib/blocks/upload.ts'
import { createKernels } from '../../lib/kernels/instance.ts'
import { compareLabels, compareStrings, type Labels, labelsOf } from '../../lib/labels/labels.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { BlockWriter } from '../../lib/tsdb/block-writer.ts'
import { encodeMixed, type MixedSample } from '../../lib/tsdb/overlap-mixed.ts'
import { metaOf } from './block-metas.ts'
import type { Random } from './random.ts'
import { wildHistograms } from './wild-histograms.ts'

export interface RandomBucketOptions {
  /** Some times have two blocks, with samples that both have or that lie between each other's. */
  readonly overlaps?: boolean
  /** One group of two replicas, the second scraped up to a second later, with samples missing; else one or two groups. */
  readonly replicas?: boolean
  readonly histograms?: boolean
}

interface Series {
  readonly labels: Labels
  readonly samples: readonly MixedSample[]
}

interface Span {
  readonly minTime: number
  readonly maxTime: number
  readonly level: number
}

const hourMs = 3_600_000
const kernels = createKernels()
const starts = [-60 * hourMs, 0, 1_699_833_600_000, 1_699_833_600_000, 1_699_833_600_000 + 14 * hourMs]
const values = ['ünïcode', '日本', 'a b"c\\d\n', '\u{1f600}', '\ufffd', '\ue000', 'z'.repeat(5000)]
const oddBits = [0x7ff0000000000002n, 0x7ff8000000000001n, 0x7ff8dead00000001n, 0xfff0000000000000n, 1n << 63n, 1n]

/** Puts the blocks into the bucket. */
export async function putRandomBucket(bucket: Bucket, random: Random, options: RandomBucketOptions): Promise<void> {
  const startMs = random.pick(starts)
  const endMs = startMs + random.pick([8, 16, 50, 60]) * hourMs
  const names = Array.from({ length: 1 + random.below(15) }, (_, i) => wildLabels(random, i)).sort(compareLabels)
  const first = names.map((labels) => ({ labels, samples: wildSamples(random, startMs, endMs, options) }))
  const groups: [Labels, Series[]][] = options.replicas
    ? [
        [['cluster', 'c', 'replica', 'a'], first],
        [['cluster', 'c', 'replica', 'b'], first.map((series) => otherReplica(random, series, endMs))],
      ]
    : [
        [['g', '1'], first],
        [['g', '2', 'ü', 'x'], first.filter(() => random.chance(0.5))],
      ]
  const folder = await mkdtemp(path.join(tmpdir(), 'random-bucket-'))
  try {
    for (const [externalLabels, series] of groups)
      for (const span of spansOf(random, startMs, endMs)) {
        const put = (which: readonly Series[]) => putBlock(bucket, { folder, span, externalLabels, random }, which)
        await put(within(series, span))
        if (!options.overlaps || random.chance(0.7)) continue
        const shiftMs = random.pick([0, 250])
        const part = series.map(({ labels, samples }) => {
          const shifted = samples.map((sample) => ({ ...sample, timeMs: sample.timeMs + shiftMs }))
          return { labels, samples: shifted.filter(() => random.chance(0.3)) }
        })
        await put(within(part, span))
      }
  } finally {
    await rm(folder, { recursive: true })
  }
}

function wildLabels(random: Random, i: number): Labels {
  const name = random.pick(['m', 'm_total', 'h', 'x:y', 'M'])
  return labelsOf({
    __name__: name,
    i: String(i),
    ...(random.chance(0.3) && { l: random.pick(values) }),
    ...(random.chance(0.1) && { dé: random.pick(values) }),
  })
}

/** Of a series that may begin late, end early, or have a sample alone. */
function wildSamples(random: Random, startMs: number, endMs: number, options: RandomBucketOptions): MixedSample[] {
  const stepMs = random.pick([30_000, 60_000, 300_000])
  const fromMs = random.chance(0.3) ? startMs + random.below(endMs - startMs) : startMs
  const toMs = random.chance(0.3) ? fromMs + random.below(random.chance(0.3) ? stepMs : endMs - fromMs) : endMs
  if (!options.histograms || random.chance(0.6)) return wildFloats(random, { fromMs, toMs, stepMs })
  return wildHistograms(random, {
    kind: random.pick(['counter', 'gauge']),
    integer: random.chance(0.5),
    buckets: 'exponential',
    changing: false,
    startMs: fromMs,
    stepMs,
    samples: Math.min(400, Math.floor((toMs - fromMs) / stepMs)),
  }).filter(({ timeMs }) => timeMs < toMs)
}

function wildFloats(
  random: Random,
  { fromMs, toMs, stepMs }: { fromMs: number; toMs: number; stepMs: number },
): MixedSample[] {
  const kind = random.pick(['counter', 'counter', 'gauge', 'constant', 'odd', 'sparse'])
  const cell = new Float64Array([random.below(100)])
  const bits = new BigUint64Array(cell.buffer)
  const out: MixedSample[] = []
  for (let timeMs = fromMs; timeMs < toMs; timeMs += stepMs + (random.chance(0.05) ? random.below(stepMs) : 0)) {
    if (random.chance(0.002)) timeMs += random.below(5 * hourMs)
    if (timeMs >= toMs || (kind === 'sparse' && random.chance(0.97))) continue
    if (kind === 'counter') cell[0] = random.chance(0.003) ? random.below(4) : Number(cell[0]) + random.below(50)
    if (kind === 'gauge' || kind === 'odd') cell[0] = random.float() * 200 - 100
    if (kind === 'odd' && random.chance(0.1)) bits[0] = random.pick(oddBits)
    out.push({ timeMs, startTimeMs: 0, bits: bits[0]! })
  }
  return out
}

function otherReplica(random: Random, { labels, samples }: Series, endMs: number): Series {
  const seen = samples
    .filter(() => random.chance(0.98))
    .map((sample) => ({ ...sample, timeMs: sample.timeMs + random.below(900) }))
  return { labels, samples: seen.filter(({ timeMs }) => timeMs < endMs) }
}

/** Two hours each, or eight where that is a range of its own; some are missing. */
function spansOf(random: Random, startMs: number, endMs: number): Span[] {
  const spans: Span[] = []
  for (let minTime = startMs; minTime < endMs; ) {
    const isLong = minTime % (8 * hourMs) === 0 && random.chance(0.15)
    const maxTime = Math.min(endMs, minTime + (isLong ? 8 : 2) * hourMs)
    if (random.chance(0.93)) spans.push({ minTime, maxTime, level: isLong ? 2 : 1 })
    minTime = maxTime
  }
  return spans
}

function within(series: readonly Series[], { minTime, maxTime }: Span): Series[] {
  const inside = series.map(({ labels, samples }) => ({
    labels,
    samples: samples.filter(({ timeMs }) => timeMs >= minTime && timeMs < maxTime),
  }))
  return inside.filter(({ samples }) => samples.length > 0)
}

interface PutBlock {
  readonly folder: string
  readonly span: Span
  readonly externalLabels: Labels
  readonly random: Random
}

async function putBlock(bucket: Bucket, { folder, span, externalLabels, random }: PutBlock, series: readonly Series[]) {
  if (series.length === 0) return
  const { level, ...times } = span
  const thanos = { labels: externalLabels, source: 'sidecar' }
  const meta = metaOf({ ...times, ulid: newUlid(), compaction: { level }, thanos })
  const symbols = [...new Set(series.flatMap(({ labels }) => labels))].sort(compareStrings)
  const writer = await BlockWriter.create({ folder: path.join(folder, meta.ulid), symbols })
  for (const { labels, samples } of series) {
    const chunks = []
    for (let from = 0; from < samples.length; ) {
      const to = from + (random.chance(0.2) ? 1 + random.below(120) : 120)
      chunks.push(...encodeMixed(samples.slice(from, to), kernels))
      from = to
    }
    await writer.addSeries(labels, chunks)
  }
  const { stats } = await writer.finish(() => '{}')
  await uploadBlock(bucket, path.join(folder, meta.ulid), { ...meta, stats })
}
