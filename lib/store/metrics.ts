// The store's metrics, with Thanos's names and buckets; the tenant label is left out.
// Owns their definitions; blocks are counted by block-set.ts, requests by series-server.ts.
import { Counter, counter, Gauge, gauge, histogram, type Registry } from '../kit/metrics.ts'
import type { IndexCache } from './index-cache.ts'
import { dataKinds, type ReadStats } from './read-stats.ts'
import type { SeriesCache } from './series-cache.ts'

export type StoreMetrics = ReturnType<typeof createStoreMetrics>

const prefix = 'thanos_bucket_store'
const exponential = (start: number, factor: number, n: number): number[] =>
  Array.from({ length: n }, (_, i) => start * factor ** i)
const requestSeconds = [0.001, 0.01, 0.1, 0.3, 0.6, 1, 3, 6, 9, 20, 30, 60, 90, 120]

export function createStoreMetrics(registry: Registry) {
  return { ...blockMetrics(registry), ...seriesMetrics(registry) }
}

function blockMetrics(registry: Registry) {
  return {
    blocksLoaded: gauge(registry, {
      name: `${prefix}_blocks_loaded`,
      help: 'Number of currently loaded blocks.',
    }),
    lastLoadedBlock: gauge(registry, {
      name: `${prefix}_blocks_last_loaded_timestamp_seconds`,
      help: 'Timestamp when last block got loaded.',
    }),
    blockLoads: counter(registry, {
      name: `${prefix}_block_loads_total`,
      help: 'Total number of remote block loading attempts.',
    }),
    blockLoadFailures: counter(registry, {
      name: `${prefix}_block_load_failures_total`,
      help: 'Total number of failed remote block loading attempts.',
    }),
    blockLoadDuration: histogram(registry, {
      name: `${prefix}_block_load_duration_seconds`,
      help: 'The total time taken to load a block in seconds.',
      buckets: [0.1, 0.2, 0.5, 1, 2, 5, 15, 30, 60, 90, 120, 300],
    }),
    blockDrops: counter(registry, {
      name: `${prefix}_block_drops_total`,
      help: 'Total number of local blocks that were dropped.',
    }),
    blockDropFailures: counter(registry, {
      name: `${prefix}_block_drop_failures_total`,
      help: 'Total number of local blocks that failed to be dropped.',
    }),
  }
}

function seriesMetrics(registry: Registry) {
  const labelNames = ['data_type'] as const
  return {
    blocksQueried: histogram(registry, {
      name: `${prefix}_series_blocks_queried`,
      help: 'Number of blocks in a bucket store that were touched to satisfy a query.',
      buckets: exponential(1, 2, 10),
    }),
    resultSeries: histogram(registry, {
      name: `${prefix}_series_result_series`,
      help: 'Number of series observed in the final result of a query.',
      buckets: exponential(100, 2, 15),
    }),
    dataTouched: histogram(registry, {
      name: `${prefix}_series_data_touched`,
      help: 'Number of items of a data type touched to fulfill a single Store API series request.',
      labelNames,
      buckets: exponential(200, 2, 15),
    }),
    dataFetched: histogram(registry, {
      name: `${prefix}_series_data_fetched`,
      help: 'Number of items of a data type retrieved to fulfill a single Store API series request.',
      labelNames,
      buckets: exponential(200, 2, 15),
    }),
    dataTouchedBytes: histogram(registry, {
      name: `${prefix}_series_data_size_touched_bytes`,
      help: 'Total size of items of a data type touched to fulfill a single Store API series request in Bytes.',
      labelNames,
      buckets: exponential(1024, 2, 15),
    }),
    dataFetchedBytes: histogram(registry, {
      name: `${prefix}_series_data_size_fetched_bytes`,
      help: 'Total size of items of a data type fetched to fulfill a single Store API series request in Bytes.',
      labelNames,
      buckets: exponential(1024, 2, 15),
    }),
    queriesDropped: counter(registry, {
      name: `${prefix}_queries_dropped_total`,
      help: 'Number of queries that were dropped due to the limit.',
      labelNames: ['reason'],
    }),
    seriesRefetches: counter(registry, {
      name: `${prefix}_series_refetches_total`,
      help: 'Total number of cases where the assumed size of series entries was too small, resulting in a refetch.',
    }),
    chunkRefetches: counter(registry, {
      name: `${prefix}_chunk_refetches_total`,
      help: 'Total number of cases where the assumed size of a chunk was too small, resulting in a refetch.',
    }),
    queriesInFlight: gauge(registry, {
      name: `${prefix}_series_gate_queries_in_flight`,
      help: 'Number of queries that are currently in flight.',
    }),
    queriesMax: gauge(registry, {
      name: `${prefix}_series_gate_queries_max`,
      help: 'Maximum number of concurrent queries.',
    }),
    gateDuration: histogram(registry, {
      name: `${prefix}_series_gate_duration_seconds`,
      help: 'How many seconds it took for queries to wait at the gate.',
      buckets: [0.01, 0.1, 0.3, 0.6, 1, 3, 6, 9, 20, 30, 60, 90, 120],
    }),
    sentChunkSize: histogram(registry, {
      name: `${prefix}_sent_chunk_size_bytes`,
      help: 'Size in bytes of the chunks for the single series, which is adequate to the gRPC message size sent to querier.',
      buckets: [32, 256, 512, 1 << 10, 32 << 10, 256 << 10, 512 << 10, 1 << 20, 32 << 20, 256 << 20, 512 << 20],
    }),
    prepareDuration: histogram(registry, {
      name: `${prefix}_series_get_all_duration_seconds`,
      help: 'Time it takes until all blocks of a query are prepared, so that its first series is there.',
      buckets: requestSeconds,
    }),
    duration: histogram(registry, {
      name: `${prefix}_series_merge_duration_seconds`,
      help: 'Time it takes to merge sub-results from all queried blocks into a single result, as long as its reader takes.',
      buckets: requestSeconds,
    }),
  }
}

/** Counts what a call read, once it has ended. */
export function observeReads(metrics: StoreMetrics, stats: ReadStats): void {
  for (const kind of dataKinds) {
    const labels = { data_type: kind }
    metrics.dataTouched.observe(labels, stats[kind].touched)
    metrics.dataFetched.observe(labels, stats[kind].fetched)
    metrics.dataTouchedBytes.observe(labels, stats[kind].touchedBytes)
    metrics.dataFetchedBytes.observe(labels, stats[kind].fetchedBytes)
  }
  metrics.seriesRefetches.inc(stats.series.refetches)
  metrics.chunkRefetches.inc(stats.chunks.refetches)
}

/** Shows the index cache, under the names of Thanos's in-memory one. Its items are pages of the index objects, and decoded series. */
export function exposeIndexCache(registry: Registry, cache: IndexCache, series: SeriesCache): void {
  const gauges = [
    ['items', 'Current number of items in the index cache.', () => cache.pages],
    ['items_size_bytes', 'Current byte size of items in the index cache.', () => cache.bytes + series.bytes],
    [
      'max_size_bytes',
      'Maximum number of bytes to be held in the index cache.',
      () => cache.maxBytes + series.maxBytes,
    ],
  ] as const
  for (const [suffix, help, read] of gauges) {
    new Gauge({
      name: `thanos_store_index_cache_${suffix}`,
      help,
      registers: [registry],
      collect() {
        this.set(read())
      },
    })
  }
  const counters = [
    ['requests_total', 'Total number of items requested from the cache.', () => cache.hits + cache.misses],
    ['items_added_total', 'Total number of items that were added to the index cache.', () => cache.added],
    ['items_evicted_total', 'Total number of items that were evicted from the index cache.', () => cache.evicted],
    ['hits_total', 'Total number of requests to the cache that were a hit.', () => cache.hits],
  ] as const
  for (const [suffix, help, read] of counters) {
    new Counter({
      name: `thanos_store_index_cache_${suffix}`,
      help,
      registers: [registry],
      collect() {
        this.reset()
        this.inc(read())
      },
    })
  }
}
