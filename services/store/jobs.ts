// What the main thread asks a store worker to do, as data that travels between threads.
// Owns the shapes; worker.ts does the work, workers.ts sends it.

import type { GateLimits } from '../../lib/kit/gate.ts'
import type { LogFormat, LogLevel } from '../../lib/kit/log.ts'
import type { MetricsData } from '../../lib/kit/metrics.ts'
import type { ReadObjstore } from '../../lib/objstore/config.ts'
import type { TimeBounds } from '../../lib/store/store-info.ts'
import type { SeriesLimits } from '../../lib/storeapi/limits.ts'

export type CallKind = 'series' | 'labelNames' | 'labelValues'

export type StoreJob =
  /** A call of the StoreAPI by the bytes of its request; `bounds`: what --min-time and --max-time mean now. */
  { readonly kind: CallKind; readonly request: Uint8Array; readonly bounds: TimeBounds } | { readonly kind: 'metrics' }

/** Frames of a Series call, several at a time; the response of another call, as the one frame; or metrics. */
export type StoreAnswer = { readonly frames: readonly Uint8Array[] } | { readonly metrics: MetricsData }

/** A worker's workerData; sizes are this worker's share. */
export interface StoreWorkerConfig {
  readonly objstore: ReadObjstore
  readonly indexCacheBytes: number
  readonly headerPagesBytes: number
  readonly fetchLimits: Required<GateLimits>
  readonly maxDownloadedBytes: number
  readonly limits: SeriesLimits
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
}
