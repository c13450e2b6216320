// Random series of every kind, spread over blocks that follow each other and blocks that overlap them, in chunks of random length.
// Owns what was put where; the blocks are written by the project's own writer.
import path from 'node:path'
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import { formatMeta } from '../../lib/blocks/meta-format.ts'
import { newUlid } from '../../lib/blocks/ulid.ts'
import { createKernels } from '../../lib/kernels/instance.ts'
import { compareStrings, type Labels } from '../../lib/labels/labels.ts'
import { type BlockChunk, BlockWriter } from '../../lib/tsdb/block-writer.ts'
import { encodeMixed, type MixedSample } from '../../lib/tsdb/overlap-mixed.ts'
import { metaOf } from './block-metas.ts'
import type { Random } from './random.ts'
import { wildHistograms } from './wild-histograms.ts'

const hourMs = 3_600_000
const startMs = Math.floor(1_700_000_000_000 / (8 * hourMs)) * 8 * hourMs
/** Four blocks of two hours, one that overlaps the second, one over all of them. */
const ranges = [
  [0, 2],
  [2, 4],
  [4, 6],
  [6, 8],
  [2, 4],
  [0, 8],
].map(([from, to]) => ({ minTime: startMs + from! * hourMs, maxTime: startMs + to! * hourMs }))

export interface WildSeries {
  readonly name: string
  /** What each block holds of it, in the order of blocks. */
  readonly parts: readonly (readonly MixedSample[])[]
  /** No sample is in two blocks, unless it is the same one. */
  readonly agrees: boolean
}

export interface WildBlocks {
  readonly folder: string
  readonly seriesCount: number
  /** Floats in XOR chunks alone, which every Prometheus reads. */
  readonly plain?: boolean
  /** Blocks never tell different samples of one time. */
  readonly agreeing?: boolean
}

const kernels = createKernels()

export function seriesName(labels: Labels): string {
  return labels[1]!
}

export async function writeWildBlocks(
  random: Random,
  options: WildBlocks,
): Promise<{ inputs: BlockMeta[]; series: WildSeries[] }> {
  const { folder, seriesCount } = options
  const named = (i: number) => `s${String(i).padStart(4, '0')}`
  const series = Array.from({ length: seriesCount }, (_, i) => wildSeries(random, named(i), options))
  const inputs: BlockMeta[] = []
  for (const [i, range] of ranges.entries()) {
    const meta = metaOf({ ...range, ulid: newUlid(range.minTime + i) })
    const writer = await BlockWriter.create({
      folder: path.join(folder, meta.ulid),
      symbols: ['name', ...series.map(({ name }) => name)].sort(compareStrings),
    })
    for (const { name, parts } of series)
      if (parts[i]!.length > 0) await writer.addSeries(['name', name], wildChunks(random, parts[i]!))
    const { stats } = await writer.finish(({ stats }) => formatMeta({ ...meta, stats }))
    inputs.push({ ...meta, stats })
  }
  return {
    inputs: inputs.sort((a, b) => a.minTime - b.minTime),
    series: series.filter(({ parts }) => parts.some((p) => p.length > 0)),
  }
}

function wildSeries(random: Random, name: string, { plain, agreeing }: WildBlocks): WildSeries {
  const layout = random.pick(['apart', 'apart', 'copies', 'between', ...(agreeing ? [] : ['conflicts'])])
  const wildSamples = () => (plain ? plainSamples(random) : anySamples(random))
  const samples = wildSamples()
  const parts: MixedSample[][] = ranges.map(({ minTime, maxTime }, i) =>
    i < 4 ? samples.filter(({ timeMs }) => timeMs >= minTime && timeMs < maxTime) : [],
  )
  for (const i of [4, 5]) {
    const { minTime, maxTime } = ranges[i]!
    const inside = samples.filter(({ timeMs }) => timeMs >= minTime && timeMs < maxTime)
    if (layout === 'apart' || random.chance(0.3)) continue
    const others = layout === 'conflicts' ? wildSamples() : samples
    const run = (layout === 'copies' ? inside : others).filter(
      ({ timeMs }) => timeMs >= minTime && timeMs < maxTime - 500,
    )
    const from = random.below(run.length + 1)
    const part = run.slice(from, from + random.below(run.length + 1))
    parts[i] = layout === 'between' ? part.map((sample) => ({ ...sample, timeMs: sample.timeMs + 500 })) : part
  }
  return { name, parts, agrees: layout === 'apart' || layout === 'copies' }
}

/** In the blocks' eight hours, a multiple of 1000 ms apart: floats with resets and odd values, histograms, or one after the other. */
function anySamples(random: Random): MixedSample[] {
  const stepMs = random.pick([15_000, 60_000, 300_000, 1_000_000])
  const most = Math.floor((8 * hourMs) / stepMs)
  const count = random.below(random.pick([3, 60, most]))
  const first = startMs + random.below(2 * hourMs)
  const histograms = () =>
    wildHistograms(random, {
      kind: random.pick(['counter', 'gauge']),
      integer: random.chance(0.5),
      buckets: random.pick(['exponential', 'custom']),
      changing: random.chance(0.3),
      startMs: first,
      stepMs,
      samples: Math.min(count, 200),
    })
  const floats = () => wildFloats(random, { first, stepMs, count, started: random.chance(0.15) })
  const kind = random.below(10)
  const samples: MixedSample[] = kind < 6 ? floats() : kind < 8 ? histograms() : [...histograms(), ...floats()]
  return inBlocks(samples)
}

function plainSamples(random: Random): MixedSample[] {
  const stepMs = random.pick([15_000, 60_000, 300_000])
  return inBlocks(wildFloats(random, { first: startMs, stepMs, count: random.below(500), started: false }))
}

function inBlocks(samples: readonly MixedSample[]): MixedSample[] {
  const sorted = samples
    .map((sample) => ({ ...sample, timeMs: Math.floor(sample.timeMs / 1000) * 1000 }))
    .filter(({ timeMs }) => timeMs >= startMs && timeMs < startMs + 8 * hourMs)
    .sort((a, b) => a.timeMs - b.timeMs)
  return sorted.filter(({ timeMs }, i) => i === 0 || timeMs > sorted[i - 1]!.timeMs)
}

function wildFloats(
  random: Random,
  { first, stepMs, count, started }: { first: number; stepMs: number; count: number; started: boolean },
): MixedSample[] {
  const odd = random.chance(0.2)
  const isCounter = random.chance(0.7)
  const cell = new Float64Array(1)
  const bits = new BigUint64Array(cell.buffer)
  let timeMs = first
  let value = 0
  return Array.from({ length: count }, () => {
    timeMs += stepMs + (random.chance(0.02) ? random.below(20) * stepMs : 0)
    value = isCounter ? (random.chance(0.02) ? random.below(5) : value + random.below(100)) : random.float() * 200 - 100
    cell[0] = value
    if (odd && random.chance(0.1))
      bits[0] = random.pick([0x7ff0000000000002n, 0x7ff8000000000001n, 0x7ff0000000000000n, 1n << 63n])
    return { timeMs, startTimeMs: started ? timeMs - random.below(3) * 1000 - 1000 : 0, bits: bits[0]! }
  })
}

function wildChunks(random: Random, samples: readonly MixedSample[]): BlockChunk[] {
  const chunks: BlockChunk[] = []
  for (let from = 0; from < samples.length; ) {
    const to = from + 1 + random.below(random.pick([10, 120, 120]))
    chunks.push(...encodeMixed(samples.slice(from, to), kernels))
    from = to
  }
  return chunks
}
