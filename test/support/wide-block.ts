// A block of many samples, cheap to write: the chunks are encoded once and written for each series.
// For tests and benchmarks of load.
// Owns nothing: the block stays where it was written.
import path from 'node:path'
import { formatMeta } from '../../lib/blocks/meta-format.ts'
import { newUlid } from '../../lib/blocks/ulid.ts'
import { compareStrings, type Labels } from '../../lib/labels/labels.ts'
import { BlockWriter } from '../../lib/tsdb/block-writer.ts'
import { metaOf } from './block-metas.ts'
import { chunksOf } from './made-blocks.ts'

const fromMs = 1_700_006_400_000
const stepMs = 15_000

/** 4.3 days of a scrape every 15 s, two thousand series `wide` and a few `small`: 50 M samples. */
export const wideBlock = {
  samplesPerSeries: 25_000,
  wideSeries: 2_000,
  smallSeries: 20,
  /** Of every series' last sample. */
  lastMs: fromMs + (25_000 - 1) * stepMs,
} as const

/** Writes it into the bucket's directory. Each series counts up from 0 by one a sample; their label is `i`: 0000, 0001 … */
export async function writeWideBlock(bucket: string): Promise<void> {
  const samples = Array.from({ length: wideBlock.samplesPerSeries }, (_, i) => [fromMs + i * stepMs, i] as const)
  const chunks = chunksOf(samples)
  const series = (metric: string, count: number): Labels[] =>
    Array.from({ length: count }, (_, i) => ['__name__', metric, 'i', String(i).padStart(4, '0')])
  const all = [...series('small', wideBlock.smallSeries), ...series('wide', wideBlock.wideSeries)]
  const times = { minTime: fromMs, maxTime: wideBlock.lastMs + 1 }
  const meta = metaOf({ ...times, ulid: newUlid(fromMs), thanos: { labels: ['replica', 'a'] } })
  const symbols = [...new Set(all.flat())].sort(compareStrings)
  const writer = await BlockWriter.create({ folder: path.join(bucket, meta.ulid), symbols })
  for (const labels of all) await writer.addSeries(labels, chunks)
  await writer.finish(({ stats }) => formatMeta({ ...meta, stats }))
}
