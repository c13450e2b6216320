// A series of several blocks of one origin (equal external labels: one replica of one Prometheus) whose chunks overlap, as out-of-order
// and backfilled blocks leave them: its samples are one replica's, every one of which counts. Not merged here they would be taken for
// replicas by whoever deduplicates, and some be left out.
// Algorithm: Prometheus storage/merge.go (NewCompactingChunkSeriesMerger), as its own queriers and our compactor do.
// Owns a merger's memory: one a thread is enough.
import { sampleCount } from '../chunkenc/encoding.ts'
import { createKernels } from '../kernels/instance.ts'
import { xxhash64 } from '../kernels/xxhash.ts'
import { joinSeries } from '../storeapi/chunk-order.ts'
import type { AggrChunk, StoreSeries } from '../storeapi/types.ts'
import { joinWireSeries } from '../storeapi/wire-series.ts'
import { isOfBlock } from '../tsdb/block-error.ts'
import type { BlockChunk } from '../tsdb/block-writer.ts'
import { OverlapMerger } from '../tsdb/overlap.ts'

/** A block's series. */
export interface SeriesOfBlock {
  readonly ulid: string
  /** Equal for blocks of equal external labels; undefined: each series may be of one of its own. */
  readonly origin: string | undefined
  readonly series: StoreSeries
}

let merger: OverlapMerger | undefined

/** Series of equal labels as one: its chunks in order, each once, those of one origin without overlaps. */
export function joinBlocks(parts: readonly SeriesOfBlock[]): StoreSeries {
  const all = parts.map(({ series }) => series)
  const joined = joinWireSeries(all)
  if (joined || parts.length === 1) return joined ?? joinSeries(all)
  const unknown = all.filter((_, i) => parts[i]!.origin === undefined)
  return joinSeries([...unknown, ...byOrigin(parts).flatMap(joinOrigin)])
}

function byOrigin(parts: readonly SeriesOfBlock[]): SeriesOfBlock[][] {
  const origins = new Map<string, SeriesOfBlock[]>()
  for (const part of parts) {
    if (part.origin === undefined) continue
    const known = origins.get(part.origin)
    if (known) known.push(part)
    else origins.set(part.origin, [part])
  }
  return [...origins.values()]
}

function joinOrigin(parts: readonly SeriesOfBlock[]): StoreSeries[] {
  const all = parts.map(({ series }) => series)
  if (parts.length === 1) return all
  const joined = joinWireSeries(all)
  if (joined) return [joined]
  // Aggregates of several resolutions and blocks are told apart by whoever reads them.
  const samples = parts.flatMap(({ ulid, series }) =>
    series.chunks.filter(isOfSamples).map((chunk) => ({ ulid, chunk })),
  )
  if (followEachOther(samples)) return all
  const others = all.flatMap(({ chunks }) => chunks.filter((chunk) => !isOfSamples(chunk)))
  return [{ labels: all[0]!.labels, chunks: [...merged(samples), ...others] }]
}

type SampleChunk = AggrChunk & { readonly raw: NonNullable<AggrChunk['raw']> }

function isOfSamples(chunk: AggrChunk): chunk is SampleChunk {
  return chunk.raw !== undefined
}

function followEachOther(chunks: readonly { readonly chunk: AggrChunk }[]): boolean {
  const inOrder = chunks.map(({ chunk }) => chunk).sort((a, b) => a.minTime - b.minTime)
  return inOrder.every((chunk, i) => i === 0 || chunk.minTime > inOrder[i - 1]!.maxTime)
}

/** Chunks that overlap as new ones; as they are where one cannot be read, which whoever decodes them will tell. */
function merged(chunks: readonly { readonly ulid: string; readonly chunk: SampleChunk }[]): AggrChunk[] {
  const known = new Map<BlockChunk, AggrChunk>()
  try {
    const sourced = chunks.map(({ ulid, chunk }) => {
      const one = blockChunk(chunk)
      known.set(one, chunk)
      return { ulid, chunk: one }
    })
    merger ??= new OverlapMerger(createKernels(), 'one-to-one')
    return merger.merge(sourced).map((chunk) => known.get(chunk) ?? wireChunk(chunk))
  } catch (error) {
    if (!isOfBlock(error)) throw error
    return chunks.map(({ chunk }) => chunk)
  }
}

/** StoreAPI counts encodings from 0: one less than a block. */
function blockChunk({ minTime, maxTime, raw: { type, data } }: SampleChunk): BlockChunk {
  const encoding = type + 1
  return { minTime, maxTime, encoding, data, numSamples: sampleCount(encoding, data) }
}

function wireChunk({ minTime, maxTime, encoding, data }: BlockChunk): AggrChunk {
  return { minTime, maxTime, raw: { type: encoding - 1, data, hash: xxhash64(data) } }
}
