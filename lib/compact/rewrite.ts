// A block without some of its series or samples, or under other labels: what a person asked for, series by series.
// Rules: Thanos pkg/compactv2: relabelling first, then deletion of what matches by then; all of a request's matchers must
// match a label that is there. Owns the two passes: the first reads the index alone and tells every change, the second writes.
import type { BlockMeta } from '../blocks/meta.ts'
import { ForwardWindow } from '../bytes/forward-window.ts'
import { dropIntervals, isTouched } from '../chunkenc/drop-intervals.ts'
import { chunkEncoding, sampleCount } from '../chunkenc/encoding.ts'
import { createKernels } from '../kernels/instance.ts'
import { compareLabels, compareStrings, type Labels, labelsKey, labelValue } from '../labels/labels.ts'
import type { LabelMatcher } from '../labels/matcher.ts'
import { compileMatcher, type StringPredicate } from '../labels/regex.ts'
import { compileRelabel, type RelabelRule } from '../labels/relabel.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { type BlockChunk, type BlockContents, BlockWriter } from '../tsdb/block-writer.ts'
import { ChunkReader } from '../tsdb/chunk-reader.ts'
import type { IndexedSeries } from '../tsdb/index-reader.ts'
import { OverlapMerger } from '../tsdb/overlap.ts'
import { type Interval, joinIntervals } from '../tsdb/tombstones.ts'
import { type InputBlock, openInputBlock } from './input-block.ts'

/** What is to be deleted: whole series where there are no intervals (both ends included, in ms). */
export interface DeletionRequest {
  readonly matchers: readonly LabelMatcher[]
  readonly intervals: readonly Interval[]
  readonly requestId: string
}

export interface BlockRewrite {
  readonly relabels: readonly RelabelRule[]
  readonly deletions: readonly DeletionRequest[]
}

/** Called for each series that changes, in the order of the index. */
export interface ChangeLog {
  deleted(labels: Labels, intervals: readonly Interval[]): void
  relabelled(from: Labels, to: Labels): void
}

export interface RewriterOptions {
  readonly rewrite: BlockRewrite
  readonly signal: AbortSignal
  /** Called for each series of the block that was planned, and that was written. */
  readonly onSeries?: () => void
}

/** What is read at a time of a segment. */
const windowBytes = 2 * 1024 * 1024

interface RewrittenBlock {
  readonly block: InputBlock
  readonly chunks: ChunkReader
  readonly windows: readonly ForwardWindow[]
}

/** Memory follows the label sets where there is relabelling, else one series. */
export class BlockRewriter {
  readonly #block: InputBlock
  readonly #chunks: ChunkReader
  readonly #windows: readonly ForwardWindow[]
  readonly #signal: AbortSignal
  readonly #onSeries: () => void
  readonly #relabel: ((labels: Labels) => Labels | undefined) | undefined
  readonly #deletions: readonly { tests: readonly [string, StringPredicate][]; intervals: readonly Interval[] }[]
  readonly #symbols = new Set<string>()
  /** Where labels change: the series to be, each with the references of those that it is made of. */
  readonly #planned = new Map<string, { readonly labels: Labels; readonly refs: number[] }>()
  readonly #kernels = createKernels()
  #keptAggregates = 0

  private constructor(
    { block, chunks, windows }: RewrittenBlock,
    { rewrite: { relabels, deletions }, signal, onSeries }: RewriterOptions,
  ) {
    this.#block = block
    this.#chunks = chunks
    this.#windows = windows
    this.#signal = signal
    this.#onSeries = onSeries ?? (() => {})
    this.#relabel = relabels.length > 0 ? compileRelabel(relabels) : undefined
    this.#deletions = deletions.map(({ matchers, intervals }) => ({
      tests: matchers.map((matcher): [string, StringPredicate] => [matcher.name, compileMatcher(matcher)]),
      intervals,
    }))
  }

  static async open(bucket: Bucket, meta: BlockMeta, options: RewriterOptions): Promise<BlockRewriter> {
    const block = await openInputBlock(bucket, meta, options.signal)
    const windows = block.segments.map((segment) => new ForwardWindow(segment, { windowBytes, releasable: true }))
    return new BlockRewriter({ block, chunks: new ChunkReader(windows), windows }, options)
  }

  /** Downsampled chunks that an interval cuts: they stayed whole. */
  get keptAggregates(): number {
    return this.#keptAggregates
  }

  /** Reads the index and tells what will change. How many series do. */
  async plan(log: ChangeLog): Promise<number> {
    let changes = 0
    for await (const { ref, labels: from, chunks } of this.#block.index.allSeries(this.#signal)) {
      this.#signal.throwIfAborted()
      this.#onSeries()
      const { labels, intervals } = this.#fate(from)
      const span = { minTime: chunks[0]?.minTime ?? 0, maxTime: chunks.at(-1)?.maxTime ?? 0 }
      if (labels === undefined) {
        log.deleted(from, [span])
        changes++
        continue
      }
      const isMoved = this.#relabel !== undefined && compareLabels(from, labels) !== 0
      if (isMoved) log.relabelled(from, labels)
      const touched = intervals.filter((interval) => chunks.some((chunk) => isTouched(chunk, [interval])))
      if (touched.length > 0)
        log.deleted(
          labels,
          touched.map((interval) => within(interval, span)),
        )
      if (isMoved || touched.length > 0) changes++
      this.#keep(labels, ref)
    }
    return changes
  }

  #keep(labels: Labels, ref: number): void {
    for (const text of labels) this.#symbols.add(text)
    if (!this.#relabel) return
    const key = labelsKey(labels)
    const known = this.#planned.get(key)
    if (known) known.refs.push(ref)
    else this.#planned.set(key, { labels, refs: [ref] })
  }

  /** The series' labels to be, undefined where it goes, and what is deleted of it. */
  #fate(from: Labels): { readonly labels: Labels | undefined; readonly intervals: readonly Interval[] } {
    const labels = this.#relabel ? this.#relabel(from) : from
    if (!labels || labels.length === 0) return { labels: undefined, intervals: [] }
    const intervals: Interval[] = []
    for (const request of this.#deletions) {
      const isMeant = request.tests.every(([name, test]) => {
        const value = labelValue(labels, name)
        return value !== '' && test(value)
      })
      if (!isMeant) continue
      if (request.intervals.length === 0) return { labels: undefined, intervals: [] }
      intervals.push(...request.intervals)
    }
    return { labels, intervals: joinIntervals(intervals) }
  }

  /** Writes the block as planned. Series that become equal are merged, one-to-one. Call after plan(). */
  async write(folder: string, meta: (contents: BlockContents) => string): Promise<BlockContents> {
    const merger = new OverlapMerger(this.#kernels, 'one-to-one')
    const writer = await BlockWriter.create({ folder, symbols: [...this.#symbols].sort(compareStrings) })
    const { ulid } = this.#block.meta
    try {
      for await (const { labels, members } of this.#series()) {
        this.#signal.throwIfAborted()
        for (const _member of members) this.#onSeries()
        // Chunks of the series before are in the writer.
        for (const window of this.#windows) window.release()
        const { intervals } = this.#fate(members[0]!.labels)
        const found: BlockChunk[] = []
        for (const member of members)
          for (const chunk of await this.#read(member)) found.push(...this.#without(chunk, intervals))
        const chunks = members.length === 1 ? found : merger.merge(found.map((chunk) => ({ ulid, chunk })))
        if (chunks.length > 0) await writer.addSeries(labels, chunks)
      }
      return await writer.finish(meta)
    } catch (error) {
      await writer.abort()
      throw error
    } finally {
      merger.free()
    }
  }

  /** The series to be, in order, with those that each is made of. */
  async *#series(): AsyncGenerator<{ readonly labels: Labels; readonly members: readonly IndexedSeries[] }> {
    const { index } = this.#block
    if (!this.#relabel) {
      for await (const series of index.allSeries(this.#signal))
        if (this.#fate(series.labels).labels) yield { labels: series.labels, members: [series] }
      return
    }
    const inOrder = [...this.#planned.values()].sort((a, b) => compareLabels(a.labels, b.labels))
    for (const { labels, refs } of inOrder) {
      const members: IndexedSeries[] = []
      for (const ref of refs) members.push({ ref, ...(await index.series(ref, this.#signal)) })
      yield { labels, members }
    }
  }

  /** A series' chunks, without what the block's tombstones say. */
  async #read({ ref, chunks }: IndexedSeries): Promise<BlockChunk[]> {
    const refs = chunks.map((chunk) => chunk.ref)
    const encoded = await this.#chunks.read(refs, this.#signal)
    const tombstones = this.#block.tombstones.get(ref) ?? []
    return chunks.flatMap(({ minTime, maxTime }, i) => {
      const { encoding, data } = encoded[i]!
      const chunk = { minTime, maxTime, encoding, data, numSamples: sampleCount(encoding, data) }
      return tombstones.length > 0 ? (dropIntervals(chunk, tombstones, this.#kernels) as BlockChunk[]) : [chunk]
    })
  }

  #without(chunk: BlockChunk, intervals: readonly Interval[]): readonly BlockChunk[] {
    if (!isTouched(chunk, intervals)) return [chunk]
    if (chunk.encoding !== chunkEncoding.aggregate)
      return dropIntervals(chunk, intervals, this.#kernels) as BlockChunk[]
    if (intervals.some(({ minTime, maxTime }) => minTime <= chunk.minTime && maxTime >= chunk.maxTime)) return []
    this.#keptAggregates++
    return [chunk]
  }
}

/** The part of the interval that is within the span. */
function within(interval: Interval, span: Interval): Interval {
  return { minTime: Math.max(interval.minTime, span.minTime), maxTime: Math.min(interval.maxTime, span.maxTime) }
}
