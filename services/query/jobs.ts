// What the main thread asks a worker to do, as data that travels between threads.
// Owns the shapes; worker.ts does the work, backend.ts sends it.
import type { Labels } from '../../lib/labels/labels.ts'
import type { DedupFunction } from '../../lib/storeapi/dedup.ts'
import type { Endpoint } from '../../lib/storeapi/endpoints.ts'
import type { Found, LookupRequest, QueryRequest } from './api/backend.ts'
import type { EncodedResult } from './api/encode.ts'
import type { Features } from './features.ts'
import type { FetchLimits } from './fetched.ts'

/** The stores as they were when the job was sent. */
interface Stores {
  readonly endpoints: readonly Endpoint[]
}

export type QueryJob = {
  readonly kind: 'query'
  /** Counters of what it fetches: see Fetched. */
  readonly fetched: SharedArrayBuffer
} & QueryRequest &
  Stores
export type FramesJob = Omit<QueryJob, 'kind'> & {
  readonly kind: 'queryFrames'
  /** Series a frame. */
  readonly batchSize: number
}
export type LookupJob = LookupRequest & Stores

export type Job =
  /** Connects to the stores and compiles the kernels, so that the first query finds both. */
  | ({ readonly kind: 'warmUp' } & Stores)
  | QueryJob
  | FramesJob
  | ({ readonly kind: 'labelNames' } & LookupJob)
  | ({ readonly kind: 'labelValues'; readonly label: string } & LookupJob)
  | ({ readonly kind: 'series' } & LookupJob)

/** An answer as frames of the gRPC Query API. */
export interface EncodedFrames {
  readonly frames: readonly Uint8Array[]
  readonly warnings: readonly string[]
}

/** What a job of each kind comes to. */
export interface JobResults {
  readonly warmUp: undefined
  readonly query: EncodedResult
  readonly queryFrames: EncodedFrames
  readonly labelNames: Found<string>
  readonly labelValues: Found<string>
  readonly series: Found<Labels>
}
export type JobResult = JobResults[keyof JobResults]

/** A worker's workerData: what is the same for all its jobs. */
export interface WorkerConfig {
  readonly dedupFunction: DedupFunction
  readonly responseTimeoutMs: number
  readonly infoTimeoutMs: number
  readonly lookbackMs: number
  /** The lookback grows with the resolution that may be read. */
  readonly dynamicLookback: boolean
  readonly maxSamples: number
  readonly fetchLimits: FetchLimits
  readonly features: Features
  /** Kernel memory of one query. */
  readonly maxMemoryBytes: number
  readonly defaultSubqueryStepMs: number
}
