// The series of one block that a request selects, as a stream of batches in the order of the answered labels.
// Stages: postings → series entries → labels, shard, order → chunks → decoding; each stage works one batch ahead of the next.
// Owns the stages and their bounds; what is held is a batch of entries and a batch of chunks, never the whole answer.
import { setImmediate } from 'node:timers/promises'
import { compareLabels, type Labels, overlayLabels, withoutLabels } from '../labels/labels.ts'
import type { LabelMatcher } from '../labels/matcher.ts'
import { type LabelChange, SeriesOrder } from '../storeapi/series-order.ts'
import type { Aggr, StoreSeries } from '../storeapi/types.ts'
import { WireSeries } from '../storeapi/wire-series.ts'
import type { BlockIndex } from './block-index.ts'
import { ChunkPlaces } from './chunk-places.ts'
import { type ChunkFiles, type FetchedChunks, fetchChunks } from './chunks.ts'
import type { Deleted } from './deleted.ts'
import { type Batches, prefetch } from './prefetch.ts'
import type { ReadStats } from './read-stats.ts'
import { type AnsweredSeries, chunkStride, type IndexedSeries } from './series-entry.ts'

/** A block as series are read from it. */
export interface ReadableBlock {
  readonly externalLabels: Labels
  readonly index: BlockIndex
  readonly chunkFiles: ChunkFiles
  /** What has been deleted from it; undefined for most blocks. */
  readonly deleted: Deleted | undefined
}

export interface BlockQuery {
  /** Without those on external labels: they have been decided. */
  readonly matchers: readonly LabelMatcher[]
  /** Inclusive, ms. */
  readonly minTime: number
  readonly maxTime: number
  readonly skipChunks: boolean
  readonly aggregates: readonly Aggr[]
  /** Left out of the answered labels. */
  readonly removedLabels: ReadonlySet<string>
  readonly inShard: ((labels: Labels) => boolean) | undefined
  /** Only series after these labels: the ones before were answered by an earlier plan. */
  readonly after: Labels | undefined
  /** Most series in a batch of the stream. */
  readonly maxBatchSeries: number
  /** Bytes of index pages, and bytes of chunks, at which a batch is full. */
  readonly maxBatchBytes: number
}

/** The block's series, ascending by labels; labels that became equal stand side by side. Throws `corrupt`, `not_found`, `unavailable`. */
export function blockSeries(
  block: ReadableBlock,
  query: BlockQuery,
  stats: ReadStats,
  signal: AbortSignal,
): Batches<StoreSeries[]> {
  const labelled = prefetch(labelledSeries(block, query, stats, signal))
  return prefetch(decoded(prefetch(withChunks(block, query, labelled, stats, signal)), query, block.deleted))
}

async function* labelledSeries(
  block: ReadableBlock,
  query: BlockQuery,
  stats: ReadStats,
  signal: AbortSignal,
): AsyncGenerator<AnsweredSeries[], void> {
  const refs = await block.index.postings(query.matchers, stats, signal)
  const change = await labelChange(block, refs, query.removedLabels, { stats, signal })
  const order = new SeriesOrder<AnsweredSeries>(change)
  const key = JSON.stringify([change.added, [...query.removedLabels].sort()])
  const { after, inShard } = query
  for await (const { series, isLast } of prefetch(block.index.entries(refs, query, stats, signal))) {
    const out: AnsweredSeries[] = []
    for (const one of series) {
      if (one.answered?.change !== key) {
        const own = one.answered?.own ?? labelsOfEntry(one, block.index)
        const labels = overlayLabels(withoutLabels(own, query.removedLabels), change.added)
        one.answered = { series: one, change: key, own, labels }
      }
      if (!inShard || inShard(one.answered.labels)) order.push(one.answered, out)
    }
    if (isLast) order.end(out)
    yield after === undefined ? out : out.filter(({ labels }) => compareLabels(labels, after) > 0)
    // A batch is some milliseconds of work: health checks and other requests have their turn.
    await setImmediate()
  }
}

/** Names that series of the block have themselves, but are answered without, or with the external label's value. */
export function hiddenNames({ externalLabels, index }: ReadableBlock, removed: ReadonlySet<string>): string[] {
  const changed = new Set([...removed, ...externalLabels.filter((_, i) => i % 2 === 0)])
  return index.labelNames().filter((name) => changed.has(name))
}

async function labelChange(
  block: ReadableBlock,
  refs: Uint32Array,
  removed: ReadonlySet<string>,
  { stats, signal }: { stats: ReadStats; signal: AbortSignal },
): Promise<LabelChange> {
  const added = withoutLabels(block.externalLabels, removed)
  const innerNames = hiddenNames(block, removed)
  const last =
    innerNames.length > 0 && refs.length > 0 ? await block.index.entry(refs.at(-1)!, stats, signal) : undefined
  const symbol = last?.symbols[0]
  return { added, innerNames, lastFirstName: symbol === undefined ? undefined : block.index.symbol(symbol) }
}

function labelsOfEntry({ symbols }: IndexedSeries, index: BlockIndex): Labels {
  const labels = new Array<string>(symbols.length)
  for (let i = 0; i < symbols.length; i++) labels[i] = index.symbol(symbols[i]!)
  return labels
}

/** Series whose chunks are here, not yet decoded; none where chunks are not wanted. */
interface FetchedSeries {
  readonly series: readonly AnsweredSeries[]
  /** How many chunks each has. */
  readonly counts: readonly number[]
  readonly chunks: FetchedChunks | undefined
}

async function* withChunks(
  block: ReadableBlock,
  query: BlockQuery,
  batches: Batches<AnsweredSeries[]>,
  stats: ReadStats,
  signal: AbortSignal,
): AsyncGenerator<FetchedSeries, void> {
  for await (const batch of batches) {
    for (let start = 0; start < batch.length; ) {
      const part = cutBatch(batch, start, query, block.chunkFiles.chunkMaxBytes)
      start += part.series.length
      yield await fetchBatch(block.chunkFiles, part, query, stats, signal)
    }
  }
}

/** So many series are decoded at once: the first of a batch are on their way before the last are looked at. */
const decodedSeries = 64

async function* decoded(
  batches: Batches<FetchedSeries>,
  { aggregates }: BlockQuery,
  deleted: Deleted | undefined,
): AsyncGenerator<StoreSeries[], void> {
  for await (const { series, counts, chunks } of batches) {
    let end = 0
    let isCopied = true
    for (let start = 0; start < series.length; start += decodedSeries) {
      const batch = series.slice(start, start + decodedSeries)
      // What is deleted of a chunk is known when it is decoded.
      const fields = deleted ? undefined : chunks?.encode(end, counts.slice(start, start + decodedSeries))
      const out = batch.map(({ labels, series: { ref } }, i) => {
        const from = end
        end += counts[start + i]!
        const ready = fields?.[i]
        if (ready) return new WireSeries(labels, [ready])
        if (end > from) isCopied = false
        const own = chunks?.decode(from, end, aggregates) ?? []
        return { labels, chunks: deleted?.without(ref, own) ?? own }
      })
      // A series of which every chunk is deleted is none.
      yield deleted && chunks ? out.filter((one) => one.chunks.length > 0) : out
    }
    if (isCopied) chunks?.free()
  }
}

/** Chunks that there is room for at first, at most. */
const maxFirstRoom = 8192

interface Part {
  readonly series: readonly AnsweredSeries[]
  readonly counts: readonly number[]
  /** Of all chunks of the series, one after the other. */
  readonly places: ChunkPlaces
}

/** As many series from `start` on as a batch may have, one at least. */
function cutBatch(
  batch: readonly AnsweredSeries[],
  start: number,
  query: BlockQuery,
  chunkMaxBytes: number | undefined,
): Part {
  const places = new ChunkPlaces(query.skipChunks ? 0 : roomFor(batch, start))
  const counts: number[] = []
  let sum = 0
  let end = start
  while (end < batch.length && end - start < query.maxBatchSeries && (end === start || sum < query.maxBatchBytes)) {
    const before = places.length
    if (!query.skipChunks) sum += places.add(batch[end]!.series.chunks, query, chunkMaxBytes)
    counts.push(places.length - before)
    end++
  }
  return { series: batch.slice(start, end), counts, places }
}

/** As if all series had about as many chunks as the first. */
function roomFor(batch: readonly AnsweredSeries[], start: number): number {
  const room = ((batch.length - start) * batch[start]!.series.chunks.length) / chunkStride
  return Math.min(room, maxFirstRoom)
}

async function fetchBatch(
  files: ChunkFiles,
  { series, counts, places }: Part,
  query: BlockQuery,
  stats: ReadStats,
  signal: AbortSignal,
): Promise<FetchedSeries> {
  if (query.skipChunks) return { series, counts, chunks: undefined }
  return { series, counts, chunks: await fetchChunks(files, places, stats.chunks, signal) }
}
