// Chunks of one series as stores would give them: raw, or downsampled by the project's compactor, block by block.
// Owns the shape of a made block: its samples, its resolution and what of it a request gets.
import { splitAggregates } from '../../lib/chunkenc/aggregate.ts'
import { chunkEncoding } from '../../lib/chunkenc/encoding.ts'
import { SeriesDownsampler } from '../../lib/compact/downsample-series.ts'
import { createKernels } from '../../lib/kernels/instance.ts'
import { orderChunks } from '../../lib/storeapi/chunk-order.ts'
import { fiveMinutesMs, oneHourMs } from '../../lib/storeapi/reading.ts'
import type { AggrChunk, Chunk } from '../../lib/storeapi/types.ts'
import type { BlockChunk } from '../../lib/tsdb/block-writer.ts'
import { chunksOf } from './made-blocks.ts'

const downsampler = new SeriesDownsampler(createKernels())

export type Point = readonly [timeMs: number, value: number]

/** The samples' chunks in a block of the resolution: 0, five minutes or an hour. */
export function chunksAt(samples: readonly Point[], resolutionMs: number): AggrChunk[] {
  if (samples.length === 0) return []
  const raw: readonly BlockChunk[] = chunksOf(samples)
  if (resolutionMs === 0) return raw.map(wireChunk)
  const fine = downsampler.fromRaw(raw)
  if (resolutionMs === fiveMinutesMs) return fine.map(wireChunk)
  if (resolutionMs === oneHourMs) return downsampler.fromFiveMinutes(fine).map(wireChunk)
  throw new Error(`no resolution of ${resolutionMs} ms`)
}

/** Chunks of several blocks as mergeSeries gives them: in order, each once. */
export function merged(...chunks: readonly (readonly AggrChunk[])[]): AggrChunk[] {
  return orderChunks(chunks.flat())
}

export function wireChunk({ minTime, maxTime, encoding, data }: BlockChunk): AggrChunk {
  const span = { minTime, maxTime }
  if (encoding !== chunkEncoding.aggregate) return { ...span, raw: { type: encoding - 1, data, hash: 0n } }
  const parts = Object.entries(splitAggregates(data)).map(([name, part]): [string, Chunk] => [
    name,
    { type: part.encoding - 1, data: part.data, hash: 0n },
  ])
  return { ...span, ...Object.fromEntries(parts) }
}
