// Makes a whole block of a damaged one: every series and chunk that can be read, in order, each once.
// Specification: Thanos pkg/block/index.go (Repair), which gives up on damage that it cannot read over.
// Owns what is kept and what is left out, and tells it. The damaged block is only read.
import { type BucketBlock, openBucketBlock } from '../blocks/bucket-block.ts'
import { readBucketTombstones } from '../blocks/bucket-tombstones.ts'
import type { BlockMeta } from '../blocks/meta.ts'
import { dropIntervals } from '../chunkenc/drop-intervals.ts'
import { createKernels } from '../kernels/instance.ts'
import { describeError, MnemoError } from '../kit/errors.ts'
import { compareLabels, compareStrings, type Labels, labelsOf } from '../labels/labels.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { isOfBlock } from '../tsdb/block-error.ts'
import { type BlockChunk, type BlockContents, BlockWriter } from '../tsdb/block-writer.ts'
import { IndexSalvage } from '../tsdb/index-salvage.ts'
import { OverlapMerger } from '../tsdb/overlap.ts'
import type { ChunkMeta } from '../tsdb/series-entry.ts'
import type { Tombstones } from '../tsdb/tombstones.ts'
import { ChunkHealth } from './chunk-health.ts'
import { isAscending } from './series-tally.ts'

export interface SalvageOptions {
  /** Folder of the new block, not there yet. */
  readonly folder: string
  /** The text of the new block's meta.json for what was written. */
  readonly meta: (contents: BlockContents) => string
  readonly signal: AbortSignal
}

export interface Salvaged {
  readonly contents: BlockContents
  /** What is not in the new block, each a line. */
  readonly left: readonly string[]
}

/** A series of the damaged index; more than one where label sets that are equal once sorted stood apart. */
interface FoundSeries {
  readonly labels: Labels
  readonly entries: readonly { readonly ref: number; readonly chunks: readonly ChunkMeta[] }[]
}

/**
 * Writes the new block. Chunks that lie outside of the block's time are left out (no query of the block finds them),
 * identical ones are kept once, overlapping ones are merged, one-to-one. Throws `corrupt` where nothing can be read.
 */
export async function salvageBlock(bucket: Bucket, meta: BlockMeta, options: SalvageOptions): Promise<Salvaged> {
  const { signal } = options
  const block = await openBucketBlock(bucket, withoutSizes(meta), signal)
  const index = await IndexSalvage.open(block.index, signal)
  const left: string[] = []
  const work = new Salvage({ block, meta, tombstones: await readTombstones(bucket, meta, { left, signal }) })
  const writer = await BlockWriter.create({ folder: options.folder, symbols: index.symbols })
  try {
    await work.open(signal)
    for await (const found of await inOrder(index, signal)) {
      signal.throwIfAborted()
      const chunks = await work.chunksOf(found)
      if (chunks.length > 0) await writer.addSeries(found.labels, chunks)
    }
    left.push(...work.left())
    if (index.skippedBytes > 0) left.push(`series in ${index.skippedBytes} bytes of the index that cannot be read`)
    return { contents: await writer.finish(options.meta), left }
  } catch (error) {
    await writer.abort()
    throw error
  } finally {
    work.close()
  }
}

/** Sizes are asked of the bucket: what the meta tells may be why the block is damaged. */
function withoutSizes(meta: BlockMeta): BlockMeta {
  return { ...meta, thanos: { ...meta.thanos, files: [], segmentFiles: [] } }
}

async function readTombstones(
  bucket: Bucket,
  meta: BlockMeta,
  { left, signal }: { readonly left: string[]; readonly signal: AbortSignal },
): Promise<Tombstones> {
  try {
    return await readBucketTombstones(bucket, meta, signal)
  } catch (error) {
    if (!isOfBlock(error)) throw error
    left.push(`deletions: ${describeError(error)}`)
    return new Map()
  }
}

/** The series in the order of their labels: as they stand, or sorted in memory where they are out of order. */
async function inOrder(index: IndexSalvage, signal: AbortSignal): Promise<AsyncIterable<FoundSeries> | FoundSeries[]> {
  let last: Labels | undefined
  for await (const { labels } of index.series(signal)) {
    if (!isAscending(labels) || (last && compareLabels(last, labels) >= 0)) return sorted(index, signal)
    last = labels
  }
  return asTheyStand(index, signal)
}

async function* asTheyStand(index: IndexSalvage, signal: AbortSignal): AsyncGenerator<FoundSeries> {
  for await (const { labels, ...entry } of index.series(signal)) yield { labels, entries: [entry] }
}

async function sorted(index: IndexSalvage, signal: AbortSignal): Promise<FoundSeries[]> {
  const all: { labels: Labels; entries: { ref: number; chunks: readonly ChunkMeta[] }[] }[] = []
  for await (const { labels, ...entry } of index.series(signal))
    all.push({ labels: sortedLabels(labels), entries: [entry] })
  all.sort((a, b) => compareLabels(a.labels, b.labels))
  const merged: typeof all = []
  for (const one of all) {
    const previous = merged.at(-1)
    if (previous && compareLabels(previous.labels, one.labels) === 0) previous.entries.push(...one.entries)
    else merged.push(one)
  }
  return merged
}

function sortedLabels(labels: Labels): Labels {
  const pairs = new Map<string, string>()
  for (let i = 0; i < labels.length; i += 2) pairs.set(labels[i]!, labels[i + 1]!)
  return labelsOf([...pairs].sort(([a], [b]) => compareStrings(a, b)))
}

class Salvage {
  readonly #block: BucketBlock
  readonly #meta: BlockMeta
  readonly #tombstones: Tombstones
  readonly #kernels = createKernels()
  readonly #merger = new OverlapMerger(this.#kernels, 'one-to-one')
  #chunks: ChunkHealth | undefined
  #outside = 0

  constructor(fields: { block: BucketBlock; meta: BlockMeta; tombstones: Tombstones }) {
    this.#block = fields.block
    this.#meta = fields.meta
    this.#tombstones = fields.tombstones
  }

  async open(signal: AbortSignal): Promise<void> {
    this.#chunks = await ChunkHealth.open(this.#block, signal)
  }

  /** The series' chunks for the new block. */
  async chunksOf({ labels, entries }: FoundSeries): Promise<BlockChunk[]> {
    const { ulid, minTime, maxTime } = this.#meta
    const found: BlockChunk[] = []
    for (const { ref, chunks } of entries) {
      const inside = chunks.filter((chunk) => chunk.minTime < maxTime && chunk.maxTime >= minTime)
      this.#outside += chunks.length - inside.length
      const deleted = this.#tombstones.get(ref)
      for (const chunk of await this.#chunks!.read({ labels, chunks: inside }))
        found.push(...(deleted ? (dropIntervals(chunk, deleted, this.#kernels) as BlockChunk[]) : [chunk]))
    }
    return this.#merger.merge(found.map((chunk) => ({ ulid, chunk })))
  }

  left(): string[] {
    const { numDamaged, firstDamage } = this.#chunks!
    return [
      ...(numDamaged > 0 ? [`${numDamaged} chunks that cannot be read, the first ${firstDamage}`] : []),
      ...(this.#outside > 0 ? [`${this.#outside} chunks outside of the block's time`] : []),
    ]
  }

  close(): void {
    this.#merger.free()
  }
}

/** Throws `corrupt` where nothing was left to be kept. */
export function refuseEmpty({ ulid }: BlockMeta, { contents, left }: Salvaged): void {
  if (contents.stats.numSamples > 0) return
  throw new MnemoError('corrupt', `cannot repair block ${ulid}: nothing of it can be read (${left.join('; ')})`)
}
