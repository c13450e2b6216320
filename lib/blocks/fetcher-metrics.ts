// Metrics of reading a bucket's block metas.
// Specification: names, states and buckets of Thanos pkg/block/fetcher.go.
// Owns them; the gauges show the last sync that succeeded, never one in progress.
import { counter, gauge, histogram, type Registry } from '../kit/metrics.ts'

const states = [
  'corrupted-meta-json',
  'no-meta-json',
  'loaded',
  'too-fresh',
  'failed',
  'label-excluded',
  'time-excluded',
  'duplicate',
  'marked-for-deletion',
  'marked-for-no-compact',
  'marked-for-no-downsample',
] as const

/** What became of a block in a sync. */
export type SyncState = (typeof states)[number]

export interface SyncMetrics {
  count(state: SyncState, blocks?: number): void
  countReplicaLabelRemoved(): void
  done(): void
  failed(): void
}

export interface FetcherMetrics {
  begin(): SyncMetrics
  cacheBusted(): void
}

export function fetcherMetrics(registry: Registry): FetcherMetrics {
  const baseSyncs = counter(registry, {
    name: 'thanos_blocks_meta_base_syncs_total',
    help: 'Total blocks metadata synchronization attempts by base Fetcher',
  })
  const cacheBusts = counter(registry, {
    name: 'thanos_blocks_meta_base_cache_busts_total',
    help: 'Total blocks metadata cache busts by base Fetcher',
  })
  const syncs = counter(registry, {
    name: 'thanos_blocks_meta_syncs_total',
    help: 'Total blocks metadata synchronization attempts',
  })
  const failures = counter(registry, {
    name: 'thanos_blocks_meta_sync_failures_total',
    help: 'Total blocks metadata synchronization failures',
  })
  const duration = histogram(registry, {
    name: 'thanos_blocks_meta_sync_duration_seconds',
    help: 'Duration of the blocks metadata synchronization in seconds',
    buckets: [0.01, 1, 10, 100, 300, 600, 1000],
  })
  const synced = gauge(registry, {
    name: 'thanos_blocks_meta_synced',
    help: 'Number of block metadata synced',
    labelNames: ['state'],
  })
  const modified = gauge(registry, {
    name: 'thanos_blocks_meta_modified',
    help: 'Number of blocks whose metadata changed',
    labelNames: ['modified'],
  })
  const publish = (counts: ReadonlyMap<SyncState, number>, labelsRemoved: number) => {
    for (const state of states) synced.set({ state }, counts.get(state) ?? 0)
    modified.set({ modified: 'replica-label-removed' }, labelsRemoved)
  }
  publish(new Map(), 0)
  return {
    cacheBusted: () => cacheBusts.inc(),
    begin() {
      const startedMs = performance.now()
      const counts = new Map<SyncState, number>()
      let labelsRemoved = 0
      baseSyncs.inc()
      syncs.inc()
      const observe = () => duration.observe((performance.now() - startedMs) / 1000)
      return {
        count: (state, blocks = 1) => counts.set(state, (counts.get(state) ?? 0) + blocks),
        countReplicaLabelRemoved: () => {
          labelsRemoved++
        },
        done() {
          observe()
          publish(counts, labelsRemoved)
        },
        failed() {
          observe()
          failures.inc()
          synced.set({ state: 'failed' }, counts.get('failed') ?? 0)
        },
      }
    },
  }
}
