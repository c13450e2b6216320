// A block made of plain series: for tests, demonstrations and tools that have samples and want a block.
// XOR chunks of 120 samples, as Prometheus cuts them where compaction re-encodes.
// Owns nothing; the work is the kernels' and BlockWriter's.
import { basename } from 'node:path'
import { chunkEncoding } from '../chunkenc/encoding.ts'
import type { Kernels, SampleColumns } from '../kernels/kernels.ts'
import { compareLabels, compareStrings, type Labels } from '../labels/labels.ts'
import { type BlockChunk, type BlockContents, BlockWriter } from './block-writer.ts'

const samplesPerChunk = 120

/** Samples of one series: times ascending, in ms, and as many values. NaN payloads may be lost in a plain array. */
export interface PlainSeries {
  readonly labels: Labels
  readonly times: ArrayLike<number>
  readonly values: ArrayLike<number>
}

export interface SeriesBlockOptions {
  /** The block's folder; its last part is the block's ULID. */
  readonly folder: string
  readonly series: Iterable<PlainSeries>
  readonly kernels: Kernels
  /** meta.json's text; without it, that of a Prometheus block of level 1. */
  readonly meta?: (contents: BlockContents) => string
}

/** Writes the series, in any order, as a block. Label sets must be distinct. */
export async function writeBlockFromSeries(options: SeriesBlockOptions): Promise<BlockContents> {
  const { folder, kernels } = options
  const series = [...options.series].sort((a, b) => compareLabels(a.labels, b.labels))
  const symbols = [...new Set(series.flatMap(({ labels }) => labels))].sort(compareStrings)
  const writer = await BlockWriter.create({ folder, symbols })
  const columns = kernels.columns()
  try {
    for (const one of series) {
      fill(columns, one)
      await writer.addSeries(one.labels, encodeChunks(columns))
    }
  } catch (error) {
    await writer.abort()
    throw error
  } finally {
    columns.free()
  }
  const meta = options.meta ?? ((contents) => prometheusMeta(basename(folder), contents))
  return writer.finish(meta, { tombstones: true })
}

function fill(columns: SampleColumns, series: PlainSeries): void {
  columns.clear()
  columns.reserve(series.times.length)
  columns.length = series.times.length
  columns.times().set(series.times)
  columns.values().set(series.values)
}

/** The columns' samples as XOR chunks of at most 120. */
export function encodeChunks(columns: SampleColumns): BlockChunk[] {
  const chunks: BlockChunk[] = []
  for (let from = 0; from < columns.length; from += samplesPerChunk) {
    const to = Math.min(from + samplesPerChunk, columns.length)
    const data = columns.kernels.encodeXor(columns, from, to)
    const times = columns.times()
    const span = { minTime: times[from]!, maxTime: times[to - 1]!, numSamples: to - from }
    chunks.push({ ...span, encoding: chunkEncoding.xor, data })
  }
  return chunks
}

/** meta.json of a block that Prometheus might have cut from its head. */
function prometheusMeta(ulid: string, contents: BlockContents): string {
  const { minTime, maxTime, stats } = contents
  const compaction = { level: 1, sources: [ulid] }
  return `${JSON.stringify({ ulid, minTime, maxTime, stats, compaction, version: 1 }, null, '\t')}\n`
}
