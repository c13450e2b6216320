// Which blocks a service works on: filters over the metas of a bucket, in the order that the service lists them.
// Algorithm: Thanos pkg/block/fetcher.go, one function a filter.
// Owns the filters by time, age, duplicates and replica labels; marks are in mark-filters.ts, relabelling in relabel.ts.
import type { TimeOrDuration } from '../kit/flags.ts'
import type { Logger } from '../kit/log.ts'
import { gauge, type Registry } from '../kit/metrics.ts'
import { labelsOf, labelValue, withoutLabels } from '../labels/labels.ts'
import type { MetaFilter } from './fetcher.ts'
import { type BlockMeta, groupKey } from './meta.ts'
import { ulidTimeMs } from './ulid.ts'

/** Keeps blocks with maxTime ≥ min and minTime ≤ max; relative bounds move with the present. */
export function timeFilter(minTime: TimeOrDuration, maxTime: TimeOrDuration): MetaFilter {
  return {
    apply({ metas, nowMs, exclude }) {
      const minMs = minTime.resolveMs(nowMs)
      const maxMs = maxTime.resolveMs(nowMs)
      for (const [ulid, meta] of metas) if (meta.maxTime < minMs || meta.minTime > maxMs) exclude(ulid, 'time-excluded')
    },
  }
}

/** Blocks of these producers are complete when they appear: they replace others at once. */
const neverTooFresh = new Set(['bucket.repair', 'compactor', 'compactor.repair'])

/** Leaves blocks out until they have been in the bucket for a while (by upload time, else the ULID's). */
export function consistencyDelayFilter(delayMs: number, registry?: Registry): MetaFilter {
  if (registry)
    gauge(registry, {
      name: 'thanos_consistency_delay_seconds',
      help: 'Configured consistency delay in seconds.',
    }).set(delayMs / 1000)
  return {
    apply({ metas, nowMs, exclude }) {
      // Where the uploader's clock is ahead, a block is of the future: without a delay it is served all the same.
      if (delayMs === 0) return
      for (const [ulid, meta] of metas) {
        const sinceMs = meta.thanos.uploadTimeMs || ulidTimeMs(ulid)
        if (nowMs - sinceMs < delayMs && !neverTooFresh.has(meta.thanos.source)) exclude(ulid, 'too-fresh')
      }
    },
  }
}

export interface DeduplicateFilter extends MetaFilter {
  /** ULIDs that the last sync found to be covered by another block, in order. */
  readonly duplicates: readonly string[]
}

/**
 * Leaves out blocks all of whose sources are within another block of the same resolution and external labels.
 * One of the `doomed`, which are to be deleted, stands in for no block that stays.
 */
export function deduplicateFilter(doomed?: () => ReadonlyMap<string, unknown>): DeduplicateFilter {
  let duplicates: string[] = []
  return {
    get duplicates() {
      return duplicates
    },
    apply({ metas, exclude }) {
      const groups = Map.groupBy(metas.values(), groupKey)
      const isDoomed = (ulid: string) => doomed?.().has(ulid) === true
      duplicates = [...groups.values()].flatMap((group) => coveredBlocks(group, isDoomed))
      for (const ulid of duplicates) exclude(ulid, 'duplicate')
    },
  }
}

// Most sources first: a block is covered only by one with at least as many. Kept blocks are found by one of their
// sources, so that a group of thousands is not compared pair by pair.
function coveredBlocks(group: BlockMeta[], isDoomed: (ulid: string) => boolean): string[] {
  const covered: string[] = []
  const keptBySource = new Map<string, ReadonlySet<string>[]>()
  const bySources = group.toSorted(
    (a, b) =>
      Number(isDoomed(a.ulid)) - Number(isDoomed(b.ulid)) ||
      b.compaction.sources.length - a.compaction.sources.length ||
      (a.ulid < b.ulid ? -1 : 1),
  )
  let anyKept = false
  for (const { ulid, compaction } of bySources) {
    const [first] = compaction.sources
    const isCovered =
      first === undefined
        ? anyKept
        : keptBySource.get(first)?.some((kept) => compaction.sources.every((source) => kept.has(source)))
    if (isCovered) {
      covered.push(ulid)
      continue
    }
    anyKept = true
    const sources = new Set(compaction.sources)
    for (const source of sources) {
      const kept = keptBySource.get(source)
      if (kept) kept.push(sources)
      else keptBySource.set(source, [sources])
    }
  }
  return covered
}

/**
 * Leaves out blocks that offline deduplication has replaced: a block of the same resolution that lacks some of their
 * labels, and differs in none, has all of their sources. Else each sample would be there under both label sets.
 */
export function replacedReplicaFilter(): MetaFilter {
  return {
    apply({ metas, exclude }) {
      const blocks = [...metas.values()]
      const bySource = new Map<string, BlockMeta[]>()
      for (const meta of blocks)
        for (const source of meta.compaction.sources) {
          const there = bySource.get(source)
          if (there) there.push(meta)
          else bySource.set(source, [meta])
        }
      for (const meta of blocks) {
        const [first] = meta.compaction.sources
        const candidates = (first !== undefined && bySource.get(first)) || []
        if (candidates.some((other) => replaces(other, meta))) exclude(meta.ulid, 'duplicate')
      }
    },
  }
}

function replaces(other: BlockMeta, { compaction, thanos }: BlockMeta): boolean {
  const { labels, resolutionMs } = other.thanos
  if (resolutionMs !== thanos.resolutionMs || labels.length >= thanos.labels.length) return false
  for (let i = 0; i < labels.length; i += 2) if (labelValue(thanos.labels, labels[i]!) !== labels[i + 1]) return false
  const sources = new Set(other.compaction.sources)
  return compaction.sources.every((source) => sources.has(source))
}

/** Removes replica labels from the metas in view; one with no labels left gets the first label as "deduped". */
export function replicaLabelRemover(replicaLabels: readonly string[], logger?: Logger): MetaFilter {
  const names = new Set(replicaLabels)
  return {
    apply({ metas, countReplicaLabelRemoved }) {
      const [first] = replicaLabels
      if (first === undefined) return
      for (const [ulid, meta] of metas) {
        const { labels } = meta.thanos
        const remaining = withoutLabels(labels, names)
        for (let i = remaining.length; i < labels.length; i += 2) countReplicaLabelRemoved()
        if (remaining.length === 0) logger?.warn({ block: ulid, [first]: 'deduped' }, 'block has no labels left')
        const kept = remaining.length > 0 ? remaining : labelsOf([[first, 'deduped']])
        metas.set(ulid, { ...meta, thanos: { ...meta.thanos, labels: kept } })
      }
    },
  }
}
