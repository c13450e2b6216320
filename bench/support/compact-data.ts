// Buckets for benchmarks of the compactor and of a cold store: blocks of many series at 15 s, counters and gauges, of one or two replicas.
// Fixed seed. Owns the shapes of the series; what is done with them is in compact.ts and cold.ts.
import path from 'node:path'
import { formatMeta } from '../../lib/blocks/meta-format.ts'
import { newUlid } from '../../lib/blocks/ulid.ts'
import { createKernels } from '../../lib/kernels/instance.ts'
import { compareLabels, compareStrings, type Labels, labelsOf } from '../../lib/labels/labels.ts'
import { BlockWriter } from '../../lib/tsdb/block-writer.ts'
import { encodeChunks } from '../../lib/tsdb/series-block.ts'
import { metaOf } from '../../test/support/block-metas.ts'
import { Random } from '../../test/support/random.ts'

const hourMs = 3_600_000
const intervalMs = 15_000
/** A border of 8 hours and of 2 days. */
export const firstMs = Math.floor(1_700_000_000_000 / (48 * hourMs)) * 48 * hourMs

export interface BenchBucket {
  readonly series: number
  /** Consecutive ones, each of `blockHours`. */
  readonly blocks: number
  readonly blockHours: number
  /** Scraped 7 s apart, each at its own times. */
  readonly replicas: readonly string[]
  /** A small block behind the others, since the planner leaves the newest one alone. */
  readonly newest: boolean
}

/** Writes the blocks below `folder`; resolves with the number of samples. */
export async function writeBenchBucket(folder: string, options: BenchBucket): Promise<number> {
  const random = new Random(1)
  const all = labelSets(options.series)
  const lengthMs = options.blockHours * hourMs
  let samples = 0
  for (const [offset, replica] of options.replicas.entries()) {
    const values = new Float64Array(all.length)
    for (let i = 0; i < options.blocks; i++) {
      const minTime = firstMs + i * lengthMs
      const block = { minTime, maxTime: minTime + lengthMs, replica, offsetMs: 1_234 + offset * 7_000 }
      samples += await writeBlock(folder, { ...block, series: all, values, random })
    }
  }
  const minTime = firstMs + options.blocks * lengthMs
  const newest = { minTime, maxTime: minTime + 2 * hourMs, replica: options.replicas[0]!, offsetMs: 0 }
  if (options.newest)
    samples += await writeBlock(folder, { ...newest, series: all.slice(0, 1), values: new Float64Array(1), random })
  return samples
}

interface BenchBlock {
  readonly minTime: number
  readonly maxTime: number
  readonly replica: string
  readonly offsetMs: number
  readonly series: readonly Labels[]
  /** Where each series stands; goes on from block to block. */
  readonly values: Float64Array
  readonly random: Random
}

const kernels = createKernels()

async function writeBlock(folder: string, block: BenchBlock): Promise<number> {
  const { minTime, maxTime, series, values, random } = block
  const meta = metaOf({
    ulid: newUlid(minTime),
    minTime,
    maxTime,
    thanos: { labels: ['cluster', 'bench', 'replica', block.replica], source: 'sidecar' },
  })
  const symbols = [...new Set(series.flat())].sort(compareStrings)
  const writer = await BlockWriter.create({ folder: path.join(folder, meta.ulid), symbols })
  const columns = kernels.columns()
  const length = Math.floor((maxTime - minTime) / intervalMs)
  columns.reserve(length)
  columns.length = length
  for (const [number, labels] of series.entries()) {
    const times = columns.times()
    const samples = columns.values()
    const isCounter = number % 4 !== 0
    for (let i = 0; i < length; i++) {
      // A scrape is a millisecond late now and then.
      times[i] = minTime + i * intervalMs + block.offsetMs + (random.chance(0.05) ? 1 : 0)
      values[number] = isCounter ? values[number]! + random.below(100) : Math.round(random.float() * 1e6) / 1e3
      samples[i] = values[number]!
    }
    await writer.addSeries(labels, encodeChunks(columns))
  }
  columns.free()
  const { stats } = await writer.finish(({ stats }) => formatMeta({ ...meta, stats }))
  return stats.numSamples
}

function labelSets(count: number): Labels[] {
  return Array.from({ length: count }, (_, i) =>
    labelsOf({
      __name__: `metric_${i % 100}_total`,
      instance: `host-${Math.floor(i / 100)}:9100`,
      job: 'bench',
      path: `/api/v1/path-${i % 7}`,
    }),
  ).sort(compareLabels)
}
