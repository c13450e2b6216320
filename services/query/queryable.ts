// What PromQL reads: a selector's series from all stores, replicas deduplicated, samples into kernel columns.
// Implements lib/promql/queryable.ts over the fan-out. One a query, over that query's kernels.
// Owns the request that stores get, and the scratch columns until close().
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Kernels } from '../../lib/kernels/kernels.ts'
import type { LabelMatcher } from '../../lib/labels/matcher.ts'
import type { Queryable, SelectHints, SelectResult, Series } from '../../lib/promql/queryable.ts'
import { type DedupFunction, SeriesReader } from '../../lib/storeapi/dedup.ts'
import { DownsampledReader, isDownsampled } from '../../lib/storeapi/downsampled.ts'
import { Fanout, type FanoutOptions } from '../../lib/storeapi/fanout.ts'
import { aggregatesOf, boundResolutionMs, readingOf } from '../../lib/storeapi/reading.ts'
import type { SeriesRequest, StoreSeries } from '../../lib/storeapi/types.ts'
import { WireSeries } from '../../lib/storeapi/wire-series.ts'
import type { Fetched, FetchLimits } from './fetched.ts'
import { StoreReads } from './store-reads.ts'

export interface QueryableOptions {
  readonly stores: Omit<FanoutOptions, 'onWarning'>
  readonly kernels: Kernels
  /** Labels to deduplicate along; none: no deduplication. */
  readonly replicaLabels: readonly string[]
  readonly dedupFunction: DedupFunction
  /** The coarsest downsampled data that may answer; 0: raw data alone. */
  readonly maxResolutionMs: number
  /** How far back instant selectors look. */
  readonly lookbackMs: number
  readonly fetched: Fetched
  readonly fetchLimits: FetchLimits
  /** Selects tell what came from each store. */
  readonly countsStores?: boolean
}

/** Series a frame, as Thanos's querier asks; our servers cut frames by bytes besides. */
const responseBatchSize = 64

/** Queries share a worker: one whose data is all here gives way this often, to the others and to a cancel. */
const longestTurnMs = 5

export class FanoutQueryable implements Queryable {
  readonly #options: QueryableOptions
  readonly #reader: SeriesReader
  readonly #downsampled: DownsampledReader

  constructor(options: QueryableOptions) {
    this.#options = options
    this.#reader = new SeriesReader(options.kernels)
    this.#downsampled = new DownsampledReader(options.kernels)
  }

  /** Errors of stores come out of the iteration (see Fanout), and those of the limits. */
  select(matchers: readonly LabelMatcher[], hints: SelectHints, signal: AbortSignal): SelectResult {
    const warnings = new Set<string>()
    const { stores, countsStores } = this.#options
    const counted = countsStores ? new StoreReads() : undefined
    const client = counted?.counting(stores.client) ?? stores.client
    const fanout = new Fanout({ ...stores, client, onWarning: (warning) => warnings.add(warning) })
    return {
      ...(counted && { stores: counted.reads }),
      batches: this.#batches(fanout, matchers, hints, signal),
      get warnings() {
        return [...warnings]
      },
    }
  }

  close(): void {
    this.#reader.free()
    this.#downsampled.free()
  }

  async *#batches(
    fanout: Fanout,
    matchers: readonly LabelMatcher[],
    hints: SelectHints,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Series[]> {
    const { fetched, fetchLimits } = this.#options
    const request = requestOf(matchers, hints, this.#options)
    let busySinceMs = performance.now()
    for await (const batch of fanout.seriesBatches(request, signal)) {
      fetched.add(batch, fetchLimits)
      if (performance.now() - busySinceMs > longestTurnMs) {
        await nextTurn()
        busySinceMs = performance.now()
      }
      yield batch.map((series) => this.#reading(series, hints))
    }
  }

  #reading(series: StoreSeries, hints: SelectHints): Series {
    if (series instanceof WireSeries) return this.#readingWire(series, hints)
    const { labels, chunks } = series
    const { replicaLabels, dedupFunction, maxResolutionMs } = this.#options
    // Without deduplication two stores' chunks of one series still overlap: each sample counts once.
    const dedup = replicaLabels.length > 0 ? dedupFunction : 'chain'
    const { minTime, maxTime, rangeMs, func } = hints
    if (!chunks.some(isDownsampled)) {
      return {
        labels,
        read: (columns, histograms, starts) => this.#reader.read(chunks, hints, dedup, { columns, histograms, starts }),
      }
    }
    const lookbackMs = rangeMs === 0 ? this.#options.lookbackMs : undefined
    const query = { minTime, maxTime, maxResolutionMs, dedup, lookbackMs, reading: readingOf(func, rangeMs) }
    const read: Series['read'] = (columns, histograms) => this.#downsampled.read(chunks, query, { columns, histograms })
    if (query.reading !== 'counts' && query.reading !== 'totals') return { labels, read }
    return { labels, read, readTotals: (totals) => this.#downsampled.read(chunks, query, totals) }
  }

  /** Raw floats, one chunk after the other: nothing is to be deduplicated. */
  #readingWire(series: WireSeries, hints: SelectHints): Series {
    return {
      labels: series.labels,
      read: (columns, histograms) => {
        if (!series.decode(hints, columns)) this.#reader.read(series.chunks, hints, 'chain', { columns, histograms })
      },
    }
  }
}

function requestOf(
  matchers: readonly LabelMatcher[],
  { minTime, maxTime, stepMs, rangeMs, func }: SelectHints,
  { replicaLabels, maxResolutionMs }: QueryableOptions,
): SeriesRequest {
  return {
    minTime,
    maxTime,
    matchers,
    aggregates: aggregatesOf(readingOf(func, rangeMs)),
    maxResolutionWindow: boundResolutionMs(maxResolutionMs, func, rangeMs),
    step: stepMs,
    range: rangeMs,
    withoutReplicaLabels: replicaLabels,
    responseBatchSize,
  }
}
