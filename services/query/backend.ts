// What the HTTP API asks of the querier, done by the workers: within the query's time, behind the gate.
// Implements api/backend.ts; each job carries the stores as they are when it is sent.
// Owns the worker threads, and what the end of a query by time or by its client is called.
import { MnemoError } from '../../lib/kit/errors.ts'
import type { ClientCallReports } from '../../lib/kit/grpc-client-metrics.ts'
import type { Registry } from '../../lib/kit/metrics.ts'
import { moduleUrl } from '../../lib/kit/module-url.ts'
import { WorkerPool } from '../../lib/kit/workers.ts'
import type { Labels } from '../../lib/labels/labels.ts'
import type { EndpointSet, EndpointStatus } from '../../lib/storeapi/endpoint-set.ts'
import { ActiveQueries } from './active-queries.ts'
import type { ActiveQuery, Found, LookupRequest, QueryBackend, QueryRequest } from './api/backend.ts'
import type { EncodedResult } from './api/encode.ts'
import { QueryGate } from './gate.ts'
import type { EncodedFrames, FramesJob, Job, JobResult, JobResults, QueryJob, WorkerConfig } from './jobs.ts'

/** Frames of the stores are let go of as soon as they are read: an often collected heap gives their memory back. */
const youngHeapMiB = 12

export interface BackendOptions {
  readonly endpoints: Pick<EndpointSet, 'endpoints' | 'statuses'>
  readonly workers: number
  readonly maxConcurrent: number
  /** The longest that a job may take, its waiting included. */
  readonly timeoutMs: number
  readonly registry: Registry
  readonly config: WorkerConfig
  /** Takes what workers count of their calls. */
  readonly onClientCalls: (reports: ClientCallReports) => void
  /** For /status/flags. */
  readonly flags: Readonly<Record<string, string>>
}

export class WorkerBackend implements QueryBackend {
  readonly #options: BackendOptions
  readonly #pool: WorkerPool<Job, JobResult>
  readonly #gate: QueryGate
  readonly #active = new ActiveQueries()

  constructor(options: BackendOptions) {
    const { workers: size, config: workerData, maxConcurrent, registry, onClientCalls } = options
    this.#options = options
    this.#pool = new WorkerPool(moduleUrl('services/query/worker.ts'), {
      size,
      workerData,
      name: 'query worker',
      youngHeapMiB,
      onEvent: (event) => onClientCalls(event as ClientCallReports),
    })
    this.#gate = new QueryGate(maxConcurrent, registry)
  }

  /** Has every worker connect to the stores and compile its kernels. */
  async warmUp(signal: AbortSignal): Promise<void> {
    await this.#pool.runOnAll({ kind: 'warmUp', ...this.#stores() }, { signal })
  }

  query(request: QueryRequest, signal: AbortSignal): Promise<EncodedResult> {
    return this.#evaluate<QueryJob>(request, signal, (data) => ({ kind: 'query', ...request, ...data }))
  }

  /** As query(), the answer as frames of the gRPC Query API. */
  queryFrames(request: QueryRequest, batchSize: number, signal: AbortSignal): Promise<EncodedFrames> {
    return this.#evaluate<FramesJob>(request, signal, (data) => ({
      kind: 'queryFrames',
      batchSize,
      ...request,
      ...data,
    }))
  }

  async #evaluate<J extends QueryJob | FramesJob>(
    request: QueryRequest,
    signal: AbortSignal,
    jobOf: (data: Pick<J, 'endpoints' | 'fetched'>) => J,
  ): Promise<JobResults[J['kind']]> {
    const { fetched, signal: ended, run, done } = this.#active.start(request)
    try {
      const job = jobOf({ ...this.#stores(), fetched: fetched.shared })
      return await this.#run(job, AbortSignal.any([signal, ended]), { timeoutMs: request.timeoutMs, onTurn: run })
    } finally {
      done()
    }
  }

  activeQueries(): readonly ActiveQuery[] {
    return this.#active.list()
  }

  endQuery(id: string): void {
    this.#active.end(id)
  }

  labelNames(request: LookupRequest, signal: AbortSignal): Promise<Found<string>> {
    return this.#run({ kind: 'labelNames', ...request, ...this.#stores() }, signal)
  }

  labelValues(label: string, request: LookupRequest, signal: AbortSignal): Promise<Found<string>> {
    return this.#run({ kind: 'labelValues', label, ...request, ...this.#stores() }, signal)
  }

  series(request: LookupRequest, signal: AbortSignal): Promise<Found<Labels>> {
    return this.#run({ kind: 'series', ...request, ...this.#stores() }, signal)
  }

  stores(): Readonly<Record<string, readonly EndpointStatus[]>> {
    return this.#options.endpoints.statuses
  }

  flags(): Readonly<Record<string, string>> {
    return this.#options.flags
  }

  close(): Promise<void> {
    return this.#pool.close()
  }

  #stores() {
    return { endpoints: this.#options.endpoints.endpoints }
  }

  /** Throws the job's error, `timeout` after its time, `canceled` on the signal; both texts are Prometheus's. */
  async #run<J extends Job>(
    job: J,
    signal: AbortSignal,
    { timeoutMs, onTurn }: { timeoutMs?: number | undefined; onTurn?: () => void } = {},
  ): Promise<JobResults[J['kind']]> {
    let stage = 'query queue'
    const abort = new AbortController()
    const onTimeout = () => abort.abort(new MnemoError('timeout', `query timed out in ${stage}`))
    const onAbort = () => {
      const known = signal.reason instanceof MnemoError
      abort.abort(known ? signal.reason : new MnemoError('canceled', `query was canceled in ${stage}`))
    }
    const { timeoutMs: longestMs } = this.#options
    const timer = setTimeout(onTimeout, Math.min(timeoutMs ?? longestMs, longestMs))
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const result = await this.#gate.run(abort.signal, () => {
        stage = 'expression evaluation'
        onTurn?.()
        return this.#pool.run(job, { signal: abort.signal })
      })
      // The pool knows no kinds; a worker answers each job by its own (worker.ts).
      return result as JobResults[J['kind']]
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
  }
}
