// What the store says of itself: its label sets, the time it covers, and that per label set.
// Specification: Thanos pkg/store/bucket.go (TimeRange, TSDBInfos, LabelSet). Owns that summary of the blocks: pure functions.
import type { BlockMeta } from '../blocks/meta.ts'
import { compareLabels, type Labels, labelsKey } from '../labels/labels.ts'
import { noBoundMs, type StoreInfo } from '../storeapi/types.ts'

/** Inclusive, ms. */
export interface TimeBounds {
  readonly minTime: number
  readonly maxTime: number
}

interface LabelledSpan extends TimeBounds {
  readonly externalLabels: Labels
}

/** Of blocks by their metas. */
export function labelledSpans(metas: readonly BlockMeta[]): LabelledSpan[] {
  return metas.map(({ minTime, maxTime, thanos }) => ({ minTime, maxTime, externalLabels: thanos.labels }))
}

/** Without a store section until it is ready: a querier does not ask it before. A store without blocks covers no time. */
export function storeInfo(blocks: readonly LabelledSpan[], bounds: TimeBounds, isReady: boolean): StoreInfo {
  const groups = [...Map.groupBy(blocks, ({ externalLabels }) => labelsKey(externalLabels)).values()]
  groups.sort((a, b) => compareLabels(a[0]!.externalLabels, b[0]!.externalLabels))
  const info = { labelSets: groups.map(([first]) => first!.externalLabels), componentType: 'store' }
  if (!isReady) return info
  const minTime = blocks.reduce((min, block) => Math.min(min, block.minTime), noBoundMs)
  const maxTime = blocks.reduce((max, block) => Math.max(max, block.maxTime), -noBoundMs)
  return {
    ...info,
    store: {
      minTime: Math.max(minTime, bounds.minTime),
      maxTime: Math.min(maxTime, bounds.maxTime),
      supportsSharding: true,
      supportsWithoutReplicaLabels: true,
      tsdbInfos: groups.flatMap(joinedSpans),
    },
  }
}

/** The spans of one label set, those that touch or overlap as one. */
function joinedSpans(blocks: readonly LabelledSpan[]): { labels: Labels; minTime: number; maxTime: number }[] {
  const spans: { labels: Labels; minTime: number; maxTime: number }[] = []
  for (const { externalLabels, minTime, maxTime } of [...blocks].sort((a, b) => a.minTime - b.minTime)) {
    const last = spans.at(-1)
    if (last && minTime <= last.maxTime) last.maxTime = Math.max(last.maxTime, maxTime)
    else spans.push({ labels: externalLabels, minTime, maxTime })
  }
  return spans
}
