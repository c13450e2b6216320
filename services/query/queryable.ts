// What PromQL reads: a selector's series from all stores, replicas deduplicated, samples into kernel columns.
// Implements lib/promql/queryable.ts over the fan-out. One a query, over that query's kernels.
// Owns the request that stores get, and the scratch columns until close().
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Kernels } from '../../lib/kernels/kernels.ts'
import type { LabelMatcher } from '../../lib/labels/matcher.ts'
import type { Queryable, SelectHints, SelectResult, Series } from '../../lib/promql/queryable.ts'
import { type DedupFunction, SeriesReader } from '../../lib/storeapi/dedup.ts'
import { Fanout, type FanoutOptions } from '../../lib/storeapi/fanout.ts'
import { aggr, type SeriesRequest } from '../../lib/storeapi/types.ts'
import type { Fetched, FetchLimits } from './fetched.ts'

export interface QueryableOptions {
  readonly stores: Omit<FanoutOptions, 'onWarning'>
  readonly kernels: Kernels
  /** Labels to deduplicate along; none: no deduplication. */
  readonly replicaLabels: readonly string[]
  readonly dedupFunction: DedupFunction
  readonly fetched: Fetched
  readonly fetchLimits: FetchLimits
}

/** Series a frame, as Thanos's querier asks; our servers cut frames by bytes besides. */
const responseBatchSize = 64

/** Queries share a worker: one whose data is all here gives way this often, to the others and to a cancel. */
const longestTurnMs = 5

export class FanoutQueryable implements Queryable {
  readonly #options: QueryableOptions
  readonly #reader: SeriesReader

  constructor(options: QueryableOptions) {
    this.#options = options
    this.#reader = new SeriesReader(options.kernels)
  }

  /** Errors of stores come out of the iteration (see Fanout), and those of the limits. */
  select(matchers: readonly LabelMatcher[], hints: SelectHints, signal: AbortSignal): SelectResult {
    const warnings = new Set<string>()
    const { stores } = this.#options
    const fanout = new Fanout({ ...stores, onWarning: (warning) => warnings.add(warning) })
    return {
      series: this.#series(fanout, matchers, hints, signal),
      get warnings() {
        return [...warnings]
      },
    }
  }

  close(): void {
    this.#reader.free()
  }

  async *#series(
    fanout: Fanout,
    matchers: readonly LabelMatcher[],
    hints: SelectHints,
    signal: AbortSignal,
  ): AsyncGenerator<Series> {
    const { replicaLabels, fetched, fetchLimits } = this.#options
    // Without deduplication two stores' chunks of one series still overlap: each sample counts once.
    const dedup = replicaLabels.length > 0 ? this.#options.dedupFunction : 'chain'
    let busySinceMs = performance.now()
    for await (const { labels, chunks } of fanout.series(requestOf(matchers, hints, replicaLabels), signal)) {
      fetched.add(chunks, fetchLimits)
      if (performance.now() - busySinceMs > longestTurnMs) {
        await nextTurn()
        busySinceMs = performance.now()
      }
      const read: Series['read'] = (columns, histograms) =>
        this.#reader.read(chunks, hints, dedup, { columns, histograms })
      yield { labels, read }
    }
  }
}

function requestOf(
  matchers: readonly LabelMatcher[],
  hints: SelectHints,
  withoutReplicaLabels: readonly string[],
): SeriesRequest {
  return {
    minTime: hints.minTime,
    maxTime: hints.maxTime,
    matchers,
    aggregates: [aggr.raw],
    maxResolutionWindow: 0,
    step: hints.stepMs,
    range: hints.rangeMs,
    withoutReplicaLabels,
    responseBatchSize,
  }
}
