// Blocks for tests, written by the project's own writer and put into a bucket; and what a bucket's view holds, sample by sample.
// Owns the temporary folder that blocks are staged in.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openBucketBlock } from '../../lib/blocks/bucket-block.ts'
import { MetaFetcher } from '../../lib/blocks/fetcher.ts'
import { deduplicateFilter } from '../../lib/blocks/filters.ts'
import { ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import { formatMeta } from '../../lib/blocks/meta-format.ts'
import { newUlid } from '../../lib/blocks/ulid.ts'
import { uploadBlock } from '../../lib/blocks/upload.ts'
import { chunkEncoding } from '../../lib/chunkenc/encoding.ts'
import { createKernels } from '../../lib/kernels/instance.ts'
import { compareStrings, formatLabels, type Labels } from '../../lib/labels/labels.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { BlockWriter } from '../../lib/tsdb/block-writer.ts'
import { ChunkReader } from '../../lib/tsdb/chunk-reader.ts'
import { IndexReader } from '../../lib/tsdb/index-reader.ts'
import { metaOf } from './block-metas.ts'

const kernels = createKernels()
const samplesPerChunk = 120

export interface MadeSeries {
  readonly labels: Labels
  readonly samples: readonly (readonly [timeMs: number, value: number])[]
}

export interface MadeBlock {
  readonly minTime: number
  readonly maxTime: number
  readonly series: readonly MadeSeries[]
  readonly externalLabels?: Labels
  readonly level?: number
  readonly ulid?: string
}

/** Writes the block's folder below `folder`. Series ascend by labels, samples by time. */
export async function writeMadeBlock(folder: string, block: MadeBlock): Promise<BlockMeta> {
  const meta = metaOf({
    minTime: block.minTime,
    maxTime: block.maxTime,
    ulid: block.ulid ?? newUlid(block.minTime),
    ...(block.level && { compaction: { level: block.level } }),
    thanos: { labels: block.externalLabels ?? ['replica', 'a'], source: 'sidecar' },
  })
  const symbols = [...new Set(block.series.flatMap(({ labels }) => labels))].sort(compareStrings)
  const writer = await BlockWriter.create({ folder: path.join(folder, meta.ulid), symbols })
  for (const { labels, samples } of block.series) await writer.addSeries(labels, chunksOf(samples))
  const { stats } = await writer.finish(({ stats }) => formatMeta({ ...meta, stats }))
  return { ...meta, stats }
}

/** Writes the block and uploads it. */
export async function putMadeBlock(bucket: Bucket, block: MadeBlock): Promise<BlockMeta> {
  const staging = await mkdtemp(path.join(tmpdir(), 'made-block-'))
  try {
    const meta = await writeMadeBlock(staging, block)
    return (await uploadBlock(bucket, path.join(staging, meta.ulid), meta)).meta
  } finally {
    await rm(staging, { recursive: true })
  }
}

/** The samples in XOR chunks of 120. */
export function chunksOf(samples: MadeSeries['samples']) {
  const columns = kernels.columns()
  try {
    for (const [time, value] of samples) columns.push(time, value)
    return Array.from({ length: Math.ceil(samples.length / samplesPerChunk) }, (_, i) => {
      const from = i * samplesPerChunk
      const to = Math.min(from + samplesPerChunk, samples.length)
      return {
        minTime: samples[from]![0],
        maxTime: samples[to - 1]![0],
        encoding: chunkEncoding.xor,
        data: kernels.encodeXor(columns, from, to),
        numSamples: to - from,
      }
    })
  } finally {
    columns.free()
  }
}

/**
 * Every sample that a store would serve now, one line each (`external labels, labels, time, value`), sorted: a sample
 * that two blocks hold is there twice. Marked blocks are in view until `ignoreMarksAfterMs`.
 */
export async function viewOf(bucket: Bucket, ignoreMarksAfterMs = Number.POSITIVE_INFINITY): Promise<string[]> {
  const filters = [ignoreDeletionMarkFilter(ignoreMarksAfterMs, { bucket }), deduplicateFilter()]
  const { metas } = await new MetaFetcher({ bucket, filters }).fetch()
  const lines: string[] = []
  for (const meta of metas.values()) for (const line of await samplesOf(bucket, meta)) lines.push(line)
  return lines.sort()
}

async function samplesOf(bucket: Bucket, meta: BlockMeta): Promise<string[]> {
  const { index, segments } = await openBucketBlock(bucket, meta)
  const reader = await IndexReader.open(index)
  const chunks = await ChunkReader.over(segments)
  const lines: string[] = []
  const columns = kernels.columns()
  for await (const { labels, chunks: metas } of reader.allSeries()) {
    columns.clear()
    for (const { data } of await chunks.read(metas.map(({ ref }) => ref))) kernels.decodeXor(data, columns)
    const times = columns.times()
    const values = columns.values()
    const name = `${formatLabels(meta.thanos.labels)} ${formatLabels(labels)}`
    for (let i = 0; i < times.length; i++) lines.push(`${name} ${times[i]} ${values[i]}`)
  }
  columns.free()
  return lines
}
