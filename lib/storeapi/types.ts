// The StoreAPI's messages as the code sees them (thanos.Store, thanos.info.Info), apart from their encoding.
// int64 "no bound" values are clamped at the edge to ±noBoundMs, so that times are plain numbers everywhere else.
// Owns the shapes and the StoreClient interface; encoding is in messages.ts.
import type { Labels } from '../labels/labels.ts'
import type { LabelMatcher } from '../labels/matcher.ts'

/** Stands for int64's extremes on either side; Number.MAX_SAFE_INTEGER. */
export const noBoundMs = Number.MAX_SAFE_INTEGER

/** StoreAPI's chunk type: the file's encoding minus 1 (XOR = 0, histogram = 1, float histogram = 2). */
export interface Chunk {
  readonly type: number
  readonly data: Uint8Array
  /** xxhash64 of data; 0n where the sender gave none. */
  readonly hash: bigint
}

/** A raw chunk or the aggregates of a downsampled one. Times are inclusive, in ms. */
export interface AggrChunk {
  readonly minTime: number
  readonly maxTime: number
  readonly raw?: Chunk
  readonly count?: Chunk
  readonly sum?: Chunk
  readonly min?: Chunk
  readonly max?: Chunk
  readonly counter?: Chunk
}

/** Bytes of a chunk's data, of all aggregates that it has. */
export function chunkDataBytes({ raw, count, sum, min, max, counter }: AggrChunk): number {
  let total = 0
  for (const chunk of [raw, count, sum, min, max, counter]) if (chunk !== undefined) total += chunk.data.length
  return total
}

export interface StoreSeries {
  readonly labels: Labels
  readonly chunks: AggrChunk[]
}

/** thanos.Aggr. */
export const aggr = { raw: 0, count: 1, sum: 2, min: 3, max: 4, counter: 5 } as const
export type Aggr = (typeof aggr)[keyof typeof aggr]

export interface SeriesRequest {
  readonly minTime: number
  readonly maxTime: number
  readonly matchers: readonly LabelMatcher[]
  readonly maxResolutionWindow?: number
  readonly aggregates?: readonly Aggr[]
  /** Where true, a failing block or store ends the call with an error instead of a warning. */
  readonly partialResponseDisabled?: boolean
  readonly skipChunks?: boolean
  readonly step?: number
  readonly range?: number
  readonly withoutReplicaLabels?: readonly string[]
  readonly limit?: number
  /** Series a frame; 0 or absent: one, unbatched. */
  readonly responseBatchSize?: number
  readonly shard?: {
    readonly index: number
    readonly total: number
    readonly by: boolean
    readonly labels: readonly string[]
  }
}

/** What a Series stream carries: series in ascending order of labels (batches are flattened), warnings, hints. */
export type SeriesResponse =
  | { readonly kind: 'series'; readonly series: StoreSeries }
  | { readonly kind: 'warning'; readonly warning: string }
  | { readonly kind: 'hints'; readonly queriedBlocks: readonly string[] }

export interface LabelsRequest {
  readonly minTime: number
  readonly maxTime: number
  readonly matchers: readonly LabelMatcher[]
  readonly partialResponseDisabled?: boolean
  readonly withoutReplicaLabels?: readonly string[]
  readonly limit?: number
}

export interface LabelsResponse {
  /** Names or values, ascending by bytes. */
  readonly values: readonly string[]
  readonly warnings: readonly string[]
}

export interface StoreInfo {
  readonly labelSets: readonly Labels[]
  /** sidecar, store, query, rule, receive … */
  readonly componentType: string
  /** Absent: the endpoint serves no StoreAPI. */
  readonly store?: {
    readonly minTime: number
    readonly maxTime: number
    readonly supportsSharding: boolean
    readonly supportsWithoutReplicaLabels: boolean
    readonly tsdbInfos: readonly TsdbInfo[]
  }
  /** The other APIs that the endpoint serves; absent: none. */
  readonly apis?: readonly PeerApi[]
}

export interface TsdbInfo {
  readonly labels: Labels
  readonly minTime: number
  readonly maxTime: number
}

/** APIs beside the StoreAPI, as Info names them. */
export const peerApis = ['rules', 'metadata', 'targets', 'exemplars', 'query', 'status'] as const
export type PeerApi = (typeof peerApis)[number]

/** The StoreAPI, from either side: a client speaks it to a peer, a server implements it. */
export interface StoreApi {
  info(signal: AbortSignal): Promise<StoreInfo>
  series(request: SeriesRequest, signal: AbortSignal): AsyncIterable<SeriesResponse>
  /** The same stream, several responses at a time: where it is there, it costs less for a series. */
  seriesBatches?(request: SeriesRequest, signal: AbortSignal): AsyncIterable<readonly SeriesResponse[]>
  labelNames(request: LabelsRequest, signal: AbortSignal): Promise<LabelsResponse>
  labelValues(label: string, request: LabelsRequest, signal: AbortSignal): Promise<LabelsResponse>
}
