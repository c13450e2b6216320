// What the series of a set of blocks are made of: how many a metric, a label, a label pair; how long they live; what they weigh.
// Definitions: Prometheus's `promtool tsdb analyze` (churn is time of the range in which a series is not there).
// Owns the counts. Indices alone are read, as streams; memory follows the distinct label pairs, not the series.
import { openBucketBlock } from '../blocks/bucket-block.ts'
import type { BlockMeta } from '../blocks/meta.ts'
import { ForwardWindow } from '../bytes/forward-window.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import { describeError } from '../kit/errors.ts'
import { type Labels, labelsKey, labelValue, metricName } from '../labels/labels.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { isOfBlock } from '../tsdb/block-error.ts'
import { chunkPosition } from '../tsdb/chunk-format.ts'
import { type IndexedSeries, IndexReader } from '../tsdb/index-reader.ts'
import { alignedSeries, type SeriesCursor } from './aligned-series.ts'

/** What some series have in common. */
export interface SeriesSum {
  /** Distinct label sets, external labels included. */
  series: number
  /** Of their chunks in the segments, in all blocks. */
  chunkBytes: number
  /** Σ over the series of the share of the range in which they are not there: 0 where all are there all the time. */
  churn: number
}

export interface Cardinality {
  readonly total: SeriesSum
  readonly metrics: ReadonlyMap<string, SeriesSum>
  /** By name, then by value. */
  readonly labels: ReadonlyMap<string, ReadonlyMap<string, SeriesSum>>
  /** [start, end) in ms of all blocks. */
  readonly range: readonly [number, number]
  readonly blocks: number
  /** Blocks that could not be read to their end, each a line: they are not in the counts, or not wholly. */
  readonly failures: readonly string[]
}

export interface CardinalityOptions {
  readonly isChosen: (labels: Labels) => boolean
  readonly signal: AbortSignal
  /** Called for each series of a block that was read. */
  readonly onSeries?: (ulid: string) => void
}

/** Counts the series of the blocks; one of several blocks of the same external labels counts once. */
export async function countCardinality(
  bucket: Bucket,
  metas: readonly BlockMeta[],
  options: CardinalityOptions,
): Promise<Cardinality> {
  const counts = new Counts(metas)
  const failures: string[] = []
  const groups = Map.groupBy(metas, ({ thanos }) => labelsKey(thanos.labels))
  for (const group of groups.values()) {
    const cursors: IndexCursor[] = []
    for (const meta of group) cursors.push(new IndexCursor(bucket, meta, { ...options, failures }))
    for await (const { labels, members } of alignedSeries(cursors)) {
      options.signal.throwIfAborted()
      if (options.isChosen(labels)) counts.add(labels, members)
    }
  }
  return { ...counts, blocks: metas.length, failures }
}

class Counts {
  readonly range: readonly [number, number]
  readonly total = emptySum()
  readonly metrics = new Map<string, SeriesSum>()
  readonly labels = new Map<string, Map<string, SeriesSum>>()

  constructor(metas: readonly BlockMeta[]) {
    const start = metas.reduce((least, { minTime }) => Math.min(least, minTime), Number.POSITIVE_INFINITY)
    const end = metas.reduce((most, { maxTime }) => Math.max(most, maxTime), Number.NEGATIVE_INFINITY)
    this.range = metas.length > 0 ? [start, end] : [0, 0]
  }

  add(labels: Labels, members: readonly IndexCursor[]): void {
    let chunkBytes = 0
    let start = Number.POSITIVE_INFINITY
    let end = Number.NEGATIVE_INFINITY
    for (const member of members) {
      chunkBytes += member.chunkBytes
      const { chunks } = member.series!
      if (chunks.length === 0) continue
      start = Math.min(start, chunks[0]!.minTime)
      end = Math.max(end, chunks.at(-1)!.maxTime)
    }
    const rangeMs = this.range[1] - this.range[0]
    const one = { chunkBytes, churn: end < start ? 1 : (rangeMs - (end - start)) / rangeMs }
    addTo(this.total, one)
    addTo(sumOf(this.metrics, labelValue(labels, metricName)), one)
    for (let i = 0; i < labels.length; i += 2) {
      let values = this.labels.get(labels[i]!)
      if (!values) {
        values = new Map()
        this.labels.set(labels[i]!, values)
      }
      addTo(sumOf(values, labels[i + 1]!), one)
    }
  }
}

const emptySum = (): SeriesSum => ({ series: 0, chunkBytes: 0, churn: 0 })

function sumOf(sums: Map<string, SeriesSum>, key: string): SeriesSum {
  const known = sums.get(key)
  if (known) return known
  const sum = emptySum()
  sums.set(key, sum)
  return sum
}

function addTo(sum: SeriesSum, { chunkBytes, churn }: { readonly chunkBytes: number; readonly churn: number }): void {
  sum.series++
  sum.chunkBytes += chunkBytes
  sum.churn += churn
}

/** A block's series in order, with what their chunks weigh; one that cannot be read on has no more series. */
class IndexCursor implements SeriesCursor {
  series: IndexedSeries | undefined
  /** Of the series at hand. */
  chunkBytes = 0
  readonly #options: CardinalityOptions & { readonly failures: string[] }
  readonly #ulid: string
  readonly #iterator: AsyncGenerator<IndexedSeries>
  #segments: readonly RandomAccess[] = []
  #ahead: IndexedSeries | undefined
  #isStarted = false

  constructor(bucket: Bucket, meta: BlockMeta, options: CardinalityOptions & { readonly failures: string[] }) {
    this.#options = options
    this.#ulid = meta.ulid
    this.#iterator = this.#read(bucket, meta)
  }

  async *#read(bucket: Bucket, meta: BlockMeta): AsyncGenerator<IndexedSeries> {
    const { signal, failures, onSeries } = this.#options
    try {
      const block = await openBucketBlock(bucket, meta, signal)
      this.#segments = block.segments
      const reader = await IndexReader.open(new ForwardWindow(block.index), signal)
      for await (const series of reader.allSeries(signal)) {
        onSeries?.(this.#ulid)
        yield series
      }
    } catch (error) {
      if (!isOfBlock(error)) throw error
      failures.push(`block ${this.#ulid}: ${describeError(error)}`)
    }
  }

  async next(): Promise<void> {
    if (!this.#isStarted) this.#ahead = await this.#pull()
    this.#isStarted = true
    this.series = this.#ahead
    this.#ahead = this.series && (await this.#pull())
    this.chunkBytes = this.#weigh()
  }

  async #pull(): Promise<IndexedSeries | undefined> {
    const { value, done } = await this.#iterator.next()
    return done ? undefined : value
  }

  /** Chunks stand in the segments in the order of the series: each one ends where the next one begins, or the segment ends. */
  #weigh(): number {
    const refs = (this.series?.chunks ?? []).map(({ ref }) => ref)
    const following = this.#ahead?.chunks[0]?.ref
    return refs.reduce((sum, ref, i) => sum + Math.max(0, this.#endOf(ref, refs[i + 1] ?? following) - ref), 0)
  }

  #endOf(ref: number, next: number | undefined): number {
    const { segment, offset } = chunkPosition(ref)
    if (next !== undefined && chunkPosition(next).segment === segment) return next
    return ref - offset + (this.#segments[segment]?.sizeBytes ?? 0)
  }
}
