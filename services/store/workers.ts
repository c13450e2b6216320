// The StoreAPI's calls in worker threads: the main thread passes requests and frames on as bytes, and tells the workers of blocks.
// Owns the threads, their metrics as they were read last, and the gate of Series calls.
import { asMnemoError } from '../../lib/kit/errors.ts'
import type { MetricsData } from '../../lib/kit/metrics.ts'
import { moduleUrl } from '../../lib/kit/module-url.ts'
import { WorkerPool } from '../../lib/kit/workers.ts'
import { BlockNotices, type ResyncEvent, sentError } from '../../lib/store/block-notices.ts'
import type { SeriesGate } from '../../lib/store/series-gate.ts'
import type { TimeBounds } from '../../lib/store/store-info.ts'
import type { WireStoreApi } from '../../lib/storeapi/wire-api.ts'
import type { CallKind, StoreAnswer, StoreJob, StoreWorkerConfig } from './jobs.ts'

/** Little of what a call makes outlives it, and its bytes are not in the heap. */
const youngHeapMiB = 12
/** A worker that has so much to do that it does not tell its metrics in time is shown as it was. */
const metricsTimeoutMs = 2_000

export interface StoreWorkersOptions {
  readonly size: number
  readonly config: StoreWorkerConfig
  readonly bounds: () => TimeBounds
  readonly gate: SeriesGate
  /** Brings the blocks up to date: a worker has met an object that is gone. */
  readonly resync: () => Promise<void>
}

export class StoreWorkers implements Omit<WireStoreApi, 'info'> {
  /** To be told of the blocks. */
  readonly notices = new BlockNotices((notice) => this.#pool.tell(notice))
  readonly #options: StoreWorkersOptions
  readonly #pool: WorkerPool<StoreJob, StoreAnswer>
  readonly #metrics: MetricsData[] = []

  constructor(options: StoreWorkersOptions) {
    this.#options = options
    this.#pool = new WorkerPool(moduleUrl('services/store/worker.ts'), {
      size: options.size,
      workerData: options.config,
      name: 'store worker',
      youngHeapMiB,
      greeting: () => this.notices.greeting(),
      onEvent: (event) => void this.#resync(event as ResyncEvent),
    })
  }

  async *series(request: Uint8Array, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    for await (const answer of this.#options.gate.run(signal, () => this.#stream('series', request, signal)))
      if ('frames' in answer) yield* answer.frames
  }

  labelNames(request: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    return this.#unary('labelNames', request, signal)
  }

  labelValues(request: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    return this.#unary('labelValues', request, signal)
  }

  async #unary(kind: CallKind, request: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    let response = new Uint8Array(0)
    for await (const answer of this.#stream(kind, request, signal))
      if ('frames' in answer) for (const frame of answer.frames) response = frame as Uint8Array<ArrayBuffer>
    return response
  }

  #stream(kind: CallKind, request: Uint8Array, signal: AbortSignal): AsyncGenerator<StoreAnswer> {
    // A copy: a request may stand in a larger buffer, all of which would travel.
    return this.#pool.stream({ kind, request: new Uint8Array(request), bounds: this.#options.bounds() }, { signal })
  }

  /** The workers' metrics, one registry each. */
  async metrics(): Promise<readonly MetricsData[]> {
    const signal = AbortSignal.timeout(metricsTimeoutMs)
    for (const [i, outcome] of (await this.#pool.runOnEach({ kind: 'metrics' }, { signal })).entries())
      if (outcome.status === 'fulfilled' && 'metrics' in outcome.value) this.#metrics[i] = outcome.value.metrics
    return this.#metrics.filter((metrics) => metrics !== undefined)
  }

  async #resync({ token }: ResyncEvent): Promise<void> {
    try {
      await this.#options.resync()
      this.notices.synced(token)
    } catch (error) {
      this.notices.synced(token, sentError(asMnemoError(error)))
    }
  }

  close(): Promise<void> {
    return this.#pool.close()
  }
}
