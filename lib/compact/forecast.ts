// What a compactor would do to a bucket until nothing is left to do: from metas and marks alone, nothing is read or written.
// Algorithm: the planner played forward, as Thanos's progress calculators do (pkg/compact/compact.go).
// Owns the playing forward; the rules are plan.ts's, downsample-plan.ts's, retention.ts's and cleaner.ts's.
import type { BlockMeta } from '../blocks/meta.ts'
import type { BucketView } from './block-sync.ts'
import { isAbandoned, isDueForDeletion } from './cleaner.ts'
import { planDownsampling } from './downsample-plan.ts'
import { compactedMeta } from './new-meta.ts'
import { type BlockGroup, groupBlocks, indexBytes, type MergeReason, type Plan, planGroup } from './plan.ts'
import { expiredBlocks, type Retention } from './retention.ts'

export interface ForecastOptions {
  readonly rangesMs: readonly number[]
  readonly maxIndexBytes: number
  readonly retention: Retention
  readonly downsampling: boolean
  readonly deleteDelayMs: number
  readonly nowMs: number
  /** ULIDs that are in no plan; unless told, those with a no-compact or deletion mark. */
  readonly excluded?: ReadonlySet<string>
}

export interface ForecastCompaction {
  readonly group: string
  readonly reason: MergeReason
  /** Ascending in time; the ULID of one that is itself still to be made is undefined. */
  readonly inputs: readonly { readonly ulid: string | undefined; readonly minTime: number; readonly maxTime: number }[]
  readonly resolutionMs: number
  /** Of the inputs together: what is read, and at most about what is written. */
  readonly estimatedBytes: number
}

export interface Forecast {
  readonly compactions: readonly ForecastCompaction[]
  /** Blocks to be marked no-compact, and why. */
  readonly setAside: readonly { readonly meta: BlockMeta; readonly reason: string }[]
  readonly downsamplings: readonly { readonly meta: BlockMeta; readonly resolutionMs: number }[]
  /** Blocks to be marked for deletion, and why. */
  readonly deletionMarks: readonly { readonly meta: BlockMeta; readonly reason: 'retention' }[]
  /** ULIDs of blocks that another one covers, to be marked for deletion. */
  readonly duplicates: readonly string[]
  /** ULIDs of blocks to be deleted: marked long enough ago, or uploads that were never finished. */
  readonly deletions: readonly { readonly ulid: string; readonly reason: 'marked' | 'partial' }[]
}

/** More compactions of one group than any bucket has levels and blocks for: a planner that does not end is a bug. */
const maxRunsPerGroup = 100_000

export function forecast(view: BucketView, options: ForecastOptions): Forecast {
  const { metas, deletionMarks, noCompactMarks, noDownsampleMarks } = view
  const excluded = options.excluded ?? new Set([...noCompactMarks.keys(), ...deletionMarks.keys()])
  const compactions: ForecastCompaction[] = []
  const setAside: { meta: BlockMeta; reason: string }[] = []
  for (const group of groupBlocks(metas.values()))
    playForward(group, { ...options, excluded }, { compactions, setAside })
  const { retention, downsampling, nowMs } = options
  const deleted = new Set(deletionMarks.keys())
  const needs = downsampling
    ? planDownsampling(metas.values(), { retention, nowMs, deleted, noDownsample: new Set(noDownsampleMarks.keys()) })
    : []
  const needed = new Set(needs.map(({ meta }) => meta.ulid))
  return {
    compactions,
    setAside,
    downsamplings: needs.filter(({ due }) => due),
    deletionMarks: expiredBlocks(metas.values(), retention, nowMs)
      .filter(({ ulid }) => !needed.has(ulid) && !deleted.has(ulid))
      .map((meta) => ({ meta, reason: 'retention' })),
    duplicates: view.duplicates.filter((ulid) => !deletionMarks.has(ulid)),
    deletions: [
      ...[...deletionMarks.values()]
        .filter((mark) => isDueForDeletion(mark, options.deleteDelayMs, nowMs))
        .map(({ ulid }) => ({ ulid, reason: 'marked' as const })),
      ...[...view.partial.values()]
        .filter((block) => isAbandoned(block, nowMs))
        .map(({ ulid }) => ({ ulid, reason: 'partial' as const })),
    ],
  }
}

/** Plans the group again and again, each merge replaced by the block that it makes. */
function playForward(
  group: BlockGroup,
  options: ForecastOptions & { readonly excluded: ReadonlySet<string> },
  found: { compactions: ForecastCompaction[]; setAside: { meta: BlockMeta; reason: string }[] },
): void {
  const excluded = new Set(options.excluded)
  const planned = new Map<string, number>()
  let blocks = [...group.blocks]
  for (let run = 1; run <= maxRunsPerGroup; run++) {
    const plan = planGroup(blocks, { ...options, noCompact: excluded })
    for (const { meta, reason } of setAsideBy(plan)) {
      excluded.add(meta.ulid)
      found.setAside.push({ meta, reason })
    }
    if (plan.merge.length === 0) {
      if (plan.downsampledOverlap.length === 0) return
      continue
    }
    const ulid = `planned-${run}`
    const estimatedBytes = plan.merge.reduce((sum, meta) => sum + (planned.get(meta.ulid) ?? blockBytes(meta)), 0)
    found.compactions.push({
      group: group.description,
      reason: plan.reason,
      inputs: plan.merge.map(({ ulid, minTime, maxTime }) => ({
        ulid: planned.has(ulid) ? undefined : ulid,
        minTime,
        maxTime,
      })),
      resolutionMs: plan.merge[0]!.thanos.resolutionMs,
      estimatedBytes,
    })
    planned.set(ulid, estimatedBytes)
    const merged = new Set(plan.merge)
    blocks = [...blocks.filter((block) => !merged.has(block)), mergedMeta(plan.merge, ulid)]
    blocks.sort((a, b) => a.minTime - b.minTime || (a.ulid < b.ulid ? -1 : 1))
  }
}

function setAsideBy({ tooLarge, downsampledOverlap }: Plan): { meta: BlockMeta; reason: string }[] {
  return [
    ...tooLarge.map((meta) => ({ meta, reason: 'index-size-exceeding' })),
    ...downsampledOverlap.map((meta) => ({ meta, reason: 'downsample-vertical-compaction' })),
  ]
}

/** The meta of a block that is not there yet: its index is taken for as large as its inputs' together, and nothing deleted is left. */
function mergedMeta(inputs: readonly BlockMeta[], ulid: string): BlockMeta {
  const sum = (of: (meta: BlockMeta) => number) => inputs.reduce((total, meta) => total + of(meta), 0)
  const stats = {
    numSamples: sum(({ stats }) => stats.numSamples),
    numSeries: Math.max(...inputs.map(({ stats }) => stats.numSeries)),
    numChunks: sum(({ stats }) => stats.numChunks),
  }
  const meta = compactedMeta(inputs, { ulid }, stats)
  return { ...meta, thanos: { ...meta.thanos, files: [{ relPath: 'index', sizeBytes: sum(indexBytes) }] } }
}

/** The size of a block's files, as its meta.json tells. */
export function blockBytes({ thanos }: BlockMeta): number {
  return thanos.files.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0)
}
