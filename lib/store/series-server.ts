// The store gateway's StoreAPI: Series, LabelNames and LabelValues over its blocks.
// Meaning: Thanos pkg/store/bucket.go. Where a block fails, the answer says so: a warning that names it, or an error where the request wants all or nothing.
// Owns the order of a request: choose blocks, stream, merge, once again over a fresh list where a block was gone, then hints.
import { forEachBounded } from '../kit/bounded.ts'
import { asMnemoError } from '../kit/errors.ts'
import { type Labels, labelsKey } from '../labels/labels.ts'
import { compileMatcher } from '../labels/regex.ts'
import { SortedUnion } from '../labels/sorted-union.ts'
import { abortReason } from '../storeapi/merge.ts'
import { shardPredicate } from '../storeapi/shard.ts'
import {
  chunkDataBytes,
  type LabelsRequest,
  type LabelsResponse,
  type SeriesRequest,
  type SeriesResponse,
  type StoreApi,
  type StoreSeries,
} from '../storeapi/types.ts'
import { WireSeries } from '../storeapi/wire-series.ts'
import { BlockFailures, refresh } from './block-failures.ts'
import {
  blockLabelNames,
  blockLabelValues,
  type CompiledMatcher,
  type LabelsQuery,
  matchersInside,
} from './block-labels.ts'
import { type BlockQuery, blockSeries, hiddenNames } from './block-series.ts'
import type { BlockLease, ServedBlocks } from './loaded-blocks.ts'
import { mergeBlocks } from './merge-blocks.ts'
import { observeReads, type StoreMetrics } from './metrics.ts'
import { newReadStats, type ReadStats } from './read-stats.ts'
import type { StoreBlock } from './store-block.ts'
import type { TimeBounds } from './store-info.ts'

export interface SeriesServerOptions {
  readonly blocks: ServedBlocks
  /** What --min-time and --max-time mean now. */
  readonly bounds: () => TimeBounds
  /** Most bytes that one call may read of the bucket; 0: no limit. */
  readonly maxDownloadedBytes: number
  readonly metrics: StoreMetrics
  /** Ends with the process: syncs that a request asks for outlive the request. */
  readonly signal: AbortSignal
}

/** What the chunk batches of one call may hold, over all its blocks, and the least and most for one of them. */
const callBatchBytes = 16 << 20
const minBatchBytes = 64 << 10
const maxBatchBytes = 1 << 20
const maxBatchSeries = 1_000
const labelCallConcurrency = 16

/** All but Info, which tells of the whole store. */
export function createSeriesServer(options: SeriesServerOptions): Omit<StoreApi, 'info'> {
  return {
    async *series(request, signal) {
      for await (const batch of seriesBatches(options, request, signal)) yield* batch
    },
    seriesBatches: (request, signal) => seriesBatches(options, request, signal),
    labelNames: (request, signal) =>
      labelCall(options, request, signal, (block, query, stats, signal) =>
        blockLabelNames(block, query, stats, signal),
      ),
    async labelValues(label, request, signal) {
      if (request.withoutReplicaLabels?.includes(label)) return { values: [], warnings: [] }
      return labelCall(options, request, signal, (block, query, stats, signal) =>
        blockLabelValues(block, label, query, stats, signal),
      )
    },
  }
}

async function* seriesBatches(
  options: SeriesServerOptions,
  request: SeriesRequest,
  signal: AbortSignal,
): AsyncGenerator<readonly SeriesResponse[]> {
  // As in Thanos: a request that selects by nothing selects nothing.
  if (request.matchers.length === 0) return
  const startMs = performance.now()
  try {
    yield* new SeriesCall(options, request).run(signal)
  } finally {
    options.metrics.duration.observe((performance.now() - startMs) / 1000)
  }
}

class SeriesCall {
  readonly #options: SeriesServerOptions
  readonly #request: SeriesRequest
  readonly #matchers: readonly CompiledMatcher[]
  readonly #inShard: BlockQuery['inShard']
  readonly #failures: BlockFailures
  readonly #stats: ReadStats
  #startMs = 0
  /** What has been answered: a second plan goes on after it. */
  #last: Labels | undefined
  #sent = 0

  /** Throws `bad_data` for matchers and shards that cannot be. */
  constructor(options: SeriesServerOptions, request: SeriesRequest) {
    this.#options = options
    this.#request = request
    this.#matchers = compileMatchers(request)
    this.#inShard = shardPredicate(request.shard)
    this.#failures = new BlockFailures(options.blocks, request.partialResponseDisabled === true)
    this.#stats = newReadStats(options.maxDownloadedBytes)
  }

  async *run(signal: AbortSignal): AsyncGenerator<readonly SeriesResponse[]> {
    const { blocks, metrics } = this.#options
    this.#startMs = performance.now()
    try {
      const lost = yield* this.#answer(signal)
      if (lost) {
        await refresh(blocks, this.#options.signal, signal, this.#failures)
        yield* this.#answer(signal)
      }
    } catch (error) {
      countDropped(this.#options, error)
      throw error
    } finally {
      metrics.resultSeries.observe(this.#sent)
      observeReads(metrics, this.#stats)
    }
  }

  /** Answers from the blocks as they are known now, hints last; true where a block was gone and a new plan is due. */
  async *#answer(signal: AbortSignal): AsyncGenerator<readonly SeriesResponse[], boolean> {
    const lease = this.#lease()
    const leaving = new AbortController()
    const either = AbortSignal.any([signal, leaving.signal])
    try {
      this.#failures.addMissing(this.#range(), this.#matchers)
      const query = this.#query(lease.blocks.length)
      const streams = lease.blocks.map((block) => ({
        ulid: block.ulid,
        origin: originOf(block, query.removedLabels),
        batches: blockSeries(block, this.#inside(block, query), this.#stats, either),
      }))
      const onFailure = async (ulid: string, error: unknown): Promise<void> => {
        if (signal.aborted) throw abortReason(signal)
        await this.#failures.add(ulid, error, signal)
      }
      for await (const batch of mergeBlocks(streams, { onFailure, abort: () => leaving.abort() })) {
        if (signal.aborted) throw abortReason(signal)
        if (this.#failures.isPlanLost) return true
        yield [...this.#failures.takeWarnings(), ...this.#upToLimit(batch).map((series) => this.#count(series))]
        if (this.#request.limit && this.#sent >= this.#request.limit) break
      }
      if (this.#failures.isPlanLost) return true
      yield [...this.#failures.takeWarnings(), { kind: 'hints', queriedBlocks: this.#failures.without(lease) }]
      this.#options.metrics.blocksQueried.observe(lease.blocks.length)
      return false
    } finally {
      lease.release()
    }
  }

  #upToLimit(batch: readonly StoreSeries[]): readonly StoreSeries[] {
    const { limit } = this.#request
    return limit ? batch.slice(0, limit - this.#sent) : batch
  }

  #count(series: StoreSeries): SeriesResponse {
    const { prepareDuration, sentChunkSize } = this.#options.metrics
    if (this.#sent === 0) prepareDuration.observe((performance.now() - this.#startMs) / 1000)
    const bytes = dataBytesOf(series)
    if (bytes > 0) sentChunkSize.observe(bytes)
    this.#last = series.labels
    this.#sent++
    return { kind: 'series', series }
  }

  #range(): TimeBounds {
    return clampRange(this.#request, this.#options.bounds())
  }

  #lease(): BlockLease {
    const wanted = { ...this.#range(), maxResolutionMs: this.#request.maxResolutionWindow ?? 0 }
    return this.#options.blocks.lease(wanted, (block) => isSelected(block, this.#matchers))
  }

  #query(blockCount: number): BlockQuery {
    const { skipChunks = false, aggregates = [], withoutReplicaLabels = [], limit } = this.#request
    const share = Math.floor(callBatchBytes / Math.max(1, blockCount))
    return {
      ...this.#range(),
      matchers: [],
      skipChunks,
      aggregates,
      removedLabels: new Set(withoutReplicaLabels),
      inShard: this.#inShard,
      after: this.#last,
      maxBatchSeries: limit ? Math.min(limit, maxBatchSeries) : maxBatchSeries,
      maxBatchBytes: Math.min(maxBatchBytes, Math.max(minBatchBytes, share)),
    }
  }

  #inside(block: StoreBlock, query: BlockQuery): BlockQuery {
    return { ...query, matchers: matchersInside(block.externalLabels, this.#matchers) ?? [] }
  }
}

type ReadLabels = (
  block: StoreBlock,
  query: LabelsQuery,
  stats: ReadStats,
  signal: AbortSignal,
) => Promise<readonly string[]>

/** Names or values of all blocks in the range, ascending by bytes. */
async function labelCall(
  options: SeriesServerOptions,
  request: LabelsRequest,
  signal: AbortSignal,
  read: ReadLabels,
): Promise<LabelsResponse> {
  const matchers = compileMatchers(request)
  const failures = new BlockFailures(options.blocks, request.partialResponseDisabled === true)
  const call = { request, matchers, failures, read, stats: newReadStats(options.maxDownloadedBytes) }
  let values: readonly string[]
  try {
    values = await labelsOfBlocks(options, call, signal)
    if (failures.isPlanLost) {
      await refresh(options.blocks, options.signal, signal, failures)
      values = await labelsOfBlocks(options, call, signal)
    }
  } catch (error) {
    countDropped(options, error)
    throw error
  }
  const warnings = [...failures.takeWarnings()].map(({ warning }) => warning)
  return { values, warnings }
}

interface LabelCall {
  readonly request: LabelsRequest
  readonly matchers: readonly CompiledMatcher[]
  readonly failures: BlockFailures
  readonly read: ReadLabels
  readonly stats: ReadStats
}

async function labelsOfBlocks(
  { blocks, bounds }: SeriesServerOptions,
  call: LabelCall,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { request, matchers, failures, read, stats } = call
  const range = clampRange(request, bounds())
  const removedLabels = new Set(request.withoutReplicaLabels)
  const lease = blocks.leaseAll(range, (block) => isSelected(block, matchers))
  const found = new SortedUnion(request.limit)
  try {
    failures.addMissing(range, matchers)
    await forEachBounded(lease.blocks, labelCallConcurrency, async (block) => {
      if (failures.isPlanLost) return
      try {
        const inside = matchersInside(block.externalLabels, matchers) ?? []
        const query = { ...range, matchers: inside, removedLabels, limit: request.limit ?? 0 }
        found.add(await read(block, query, stats, signal))
      } catch (error) {
        if (signal.aborted) throw abortReason(signal)
        await failures.add(block.ulid, error, signal)
      }
    })
    return found.values()
  } finally {
    lease.release()
  }
}

/** Undefined where series with labels of their own are answered as one: those are not of one origin. */
function originOf(block: StoreBlock, removed: ReadonlySet<string>): string | undefined {
  return hiddenNames(block, removed).length === 0 ? labelsKey(block.externalLabels) : undefined
}

/** Of all chunks. */
function dataBytesOf(series: StoreSeries): number {
  if (series instanceof WireSeries) return series.dataBytes
  return series.chunks.reduce((sum, chunk) => sum + chunkDataBytes(chunk), 0)
}

function countDropped({ metrics }: SeriesServerOptions, error: unknown): void {
  if (asMnemoError(error).code === 'resource_exhausted') metrics.queriesDropped.inc({ reason: 'bytes' })
}

function compileMatchers({ matchers }: Pick<SeriesRequest, 'matchers'>): CompiledMatcher[] {
  return matchers.map((matcher) => ({ matcher, accepts: compileMatcher(matcher) }))
}

function isSelected(block: StoreBlock, matchers: readonly CompiledMatcher[]): boolean {
  return matchersInside(block.externalLabels, matchers) !== undefined
}

function clampRange(range: TimeBounds, bounds: TimeBounds): TimeBounds {
  return { minTime: Math.max(range.minTime, bounds.minTime), maxTime: Math.min(range.maxTime, bounds.maxTime) }
}
