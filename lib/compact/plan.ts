// Which blocks are merged next: decided from their metas alone, nothing is read or written here.
// Algorithm: Thanos pkg/compact/planner.go (after Prometheus tsdb/compact.go); FACTS of the bucket in ARCHITECTURE.md.
// Owns grouping and planning; merging is in merge.ts.
import type { JsonObject } from '../blocks/go-json.ts'
import { type BlockMeta, groupKey } from '../blocks/meta.ts'
import { formatLabels } from '../labels/labels.ts'
import { groupExtensions } from './extensions.ts'

const hourMs = 3_600_000

/** Thanos's compaction ranges by level: 1h, 2h, 8h, 2d, 14d. The first only says what a level 1 block may be. */
export const defaultRangesMs: readonly number[] = [1, 2, 8, 48, 336].map((hours) => hours * hourMs)

/** Above this share of the index size limit a plan's largest block is left out of compaction. */
const indexSizeShare = 0.85

/** Blocks that may be merged with each other: same external labels, same resolution. */
export interface BlockGroup {
  readonly key: string
  /** For logs. */
  readonly description: string
  /** Ascending by minTime, then by ULID. */
  readonly blocks: readonly BlockMeta[]
  /** Of a block that is merged of some of them. */
  readonly extensions: JsonObject | undefined
}

export interface PlanOptions {
  /** Ascending; plans fill those from the second on, aligned to 0. */
  readonly rangesMs: readonly number[]
  /** ULIDs with a no-compact mark. */
  readonly noCompact: ReadonlySet<string>
  /** Upper bound of a merged block's index; where a plan's indexes together come near, the largest is set aside. */
  readonly maxIndexBytes: number
}

/** Why blocks are merged: they share time, they fill a range, or much of a block is deleted. */
export type MergeReason = 'overlap' | 'range' | 'tombstones'

export interface Plan {
  /** Blocks to merge into one, ascending in time; empty: nothing to do. */
  readonly merge: readonly BlockMeta[]
  /** Of `merge`, where there is one. */
  readonly reason: MergeReason
  /** Blocks whose index makes the plan too large: to be marked no-compact. */
  readonly tooLarge: readonly BlockMeta[]
  /** Downsampled blocks that overlap, which are never merged: to be marked no-compact. */
  readonly downsampledOverlap: readonly BlockMeta[]
  /** Blocks whose time overlaps another one's, and that stay so: what is to be merged is not among them. */
  readonly overlapping: readonly BlockMeta[]
}

/** Groups of blocks in a stable order. */
export function groupBlocks(metas: Iterable<BlockMeta>): BlockGroup[] {
  const groups = new Map<string, BlockMeta[]>()
  for (const meta of metas) {
    const key = groupKey(meta)
    const group = groups.get(key)
    if (group) group.push(meta)
    else groups.set(key, [meta])
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, unsorted]) => {
      const blocks = unsorted.sort(byTime)
      return { key, description: describeGroup(blocks[0]!), blocks, extensions: groupExtensions(blocks) }
    })
}

/** What the next compaction of this group is: an overlap first, else a range. `blocks` are ascending by minTime. */
export function planGroup(blocks: readonly BlockMeta[], options: PlanOptions): Plan {
  const excluded = new Set(options.noCompact)
  const tooLarge: BlockMeta[] = []
  for (;;) {
    const overlap = overlappingRuns(blocks.filter(({ ulid }) => !excluded.has(ulid)))[0] ?? []
    if (overlap.some(({ thanos }) => thanos.resolutionMs > 0))
      return {
        merge: [],
        reason: 'overlap',
        tooLarge,
        downsampledOverlap: overlap,
        overlapping: overlappingBlocks(blocks),
      }
    const merge = overlap.length > 0 ? overlap : selectBlocks(blocks, options.rangesMs, excluded)
    const largest = largestIndexOver(merge, Math.floor(options.maxIndexBytes * indexSizeShare))
    if (!largest) {
      const overlapping = overlap.length > 0 ? [] : overlappingBlocks(blocks)
      const reason = overlap.length > 0 ? 'overlap' : merge.length === 1 ? 'tombstones' : 'range'
      return { merge, reason, tooLarge, downsampledOverlap: [], overlapping }
    }
    tooLarge.push(largest)
    excluded.add(largest.ulid)
  }
}

/** Runs of blocks that overlap, directly or through others, earliest first; `blocks` are ascending by minTime. */
export function overlappingRuns(blocks: readonly BlockMeta[]): BlockMeta[][] {
  const runs: BlockMeta[][] = []
  let latest = Number.NEGATIVE_INFINITY
  for (const block of blocks) {
    if (block.minTime < latest) runs.at(-1)!.push(block)
    else runs.push([block])
    latest = Math.max(latest, block.maxTime)
  }
  return runs.filter((run) => run.length > 1)
}

/** Blocks that share some time with another block, ascending in time. */
export function overlappingBlocks(blocks: readonly BlockMeta[]): BlockMeta[] {
  const overlapping = new Set<BlockMeta>()
  let latest: BlockMeta | undefined
  for (const block of blocks) {
    if (latest && block.minTime < latest.maxTime) overlapping.add(latest).add(block)
    if (!latest || block.maxTime > latest.maxTime) latest = block
  }
  return blocks.filter((block) => overlapping.has(block))
}

function selectBlocks(
  all: readonly BlockMeta[],
  rangesMs: readonly number[],
  excluded: ReadonlySet<string>,
): readonly BlockMeta[] {
  // The newest block stays as it is: its neighbours may not have been uploaded yet.
  const blocks = all.slice(0, -1)
  const newest = blocks.at(-1)
  if (!newest) return []
  for (const rangeMs of rangesMs.slice(1)) {
    for (const part of splitByRange(blocks, rangeMs)) {
      if (part.some((block) => block.compaction.failed)) continue
      const filled = part.at(-1)!.maxTime - part[0]!.minTime === rangeMs
      if (!filled && part.at(-1)!.maxTime > newest.minTime) continue
      const run = runsWithout(part, excluded).find((run) => run.length > 1)
      if (run) return run
    }
  }
  return tombstoned(blocks, rangesMs, excluded)
}

// A large block of which more than 5% of the series have tombstones is rewritten alone.
function tombstoned(
  blocks: readonly BlockMeta[],
  rangesMs: readonly number[],
  excluded: ReadonlySet<string>,
): readonly BlockMeta[] {
  const smallestMs = rangesMs[Math.floor(rangesMs.length / 2)]!
  for (const block of blocks.filter((block) => !excluded.has(block.ulid)).reverse()) {
    if (block.maxTime - block.minTime < smallestMs) break
    if ((block.stats.numTombstones ?? 0) / (block.stats.numSeries + 1) > 0.05) return [block]
  }
  return []
}

/** Blocks by the range that they fall into whole; a block across a border is in none. */
function splitByRange(blocks: readonly BlockMeta[], rangeMs: number): BlockMeta[][] {
  const parts = new Map<number, BlockMeta[]>()
  for (const block of blocks) {
    const start = Math.floor(block.minTime / rangeMs) * rangeMs
    if (block.maxTime > start + rangeMs) continue
    const part = parts.get(start)
    if (part) part.push(block)
    else parts.set(start, [block])
  }
  return [...parts.values()]
}

/** The runs of neighbours between excluded blocks, so that no plan spans an excluded block's time. */
function runsWithout(part: readonly BlockMeta[], excluded: ReadonlySet<string>): BlockMeta[][] {
  const runs: BlockMeta[][] = [[]]
  for (const block of part) {
    if (excluded.has(block.ulid)) runs.push([])
    else runs.at(-1)!.push(block)
  }
  return runs
}

/** The largest of the blocks up to the one with which the indexes reach the limit; undefined where they do not. */
function largestIndexOver(plan: readonly BlockMeta[], limitBytes: number): BlockMeta | undefined {
  if (plan.length < 2) return undefined
  let largest = plan[0]!
  let sumBytes = 0
  for (const block of plan) {
    if (indexBytes(block) > indexBytes(largest)) largest = block
    sumBytes += indexBytes(block)
    if (sumBytes >= limitBytes) return largest
  }
  return undefined
}

/** The size of a block's index, as its meta.json tells; 0 where it does not. */
export function indexBytes(block: BlockMeta): number {
  return block.thanos.files.find((file) => file.relPath === 'index')?.sizeBytes ?? 0
}

function describeGroup(meta: BlockMeta): string {
  return `${formatLabels(meta.thanos.labels)} at resolution ${meta.thanos.resolutionMs}ms`
}

function byTime(a: BlockMeta, b: BlockMeta): number {
  return a.minTime - b.minTime || (a.ulid < b.ulid ? -1 : 1)
}
