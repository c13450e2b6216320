// What the HTTP API asks of the querier behind it: queries, look-ups, the list of stores.
// Parameters arrive checked and in milliseconds; errors are MnemoErrors, whose code says errorType and status.
// Owns the interface; the fan-out and the workers implement it.
import type { Labels } from '../../../lib/labels/labels.ts'
import type { LabelMatcher } from '../../../lib/labels/matcher.ts'
import type { EndpointStatus } from '../../../lib/storeapi/endpoint-set.ts'
import type { EncodedResult } from './encode.ts'

/** Which data a request sees, and what a store that cannot answer means: Thanos's parameters. */
export interface RequestScope {
  /** Labels to deduplicate along; none: no deduplication was asked for. */
  readonly replicaLabels: readonly string[]
  /** false: a store that cannot answer is an error, not a warning. */
  readonly partialResponse: boolean
  /** storeMatch[]: where not empty, a store must match one of the sets. */
  readonly storeMatchers: readonly (readonly LabelMatcher[])[]
}

export interface QueryRequest {
  readonly scope: RequestScope
  /** It parses, and its type fits the kind of query. */
  readonly query: string
  readonly startMs: number
  readonly endMs: number
  /** 0: an instant query at startMs (= endMs). */
  readonly stepMs: number
  /** Absent: the querier's own. */
  readonly lookbackMs?: number
  /** Absent: the querier's own, which also bounds it. */
  readonly timeoutMs?: number
  /** Coarsest downsampling that may answer; 0: raw data alone. */
  readonly maxSourceResolutionMs: number
  /** The answer tells what each operator did. */
  readonly analyze?: boolean
  /** The answer tells how many samples each step looked at. */
  readonly countSamples?: boolean
  /** Series or samples in the answer at most (encodeQueryResult cuts there, with a warning); 0: all. */
  readonly limit: number
}

export interface LookupRequest {
  readonly scope: RequestScope
  /** Alternatives; none: everything. */
  readonly matcherSets: readonly (readonly LabelMatcher[])[]
  /** ms, both inclusive. */
  readonly minTime: number
  readonly maxTime: number
  /** One more than will be shown, so that a cut is noticed; 0: no limit. */
  readonly limit: number
}

/** A query that waits for its turn or runs. */
export interface ActiveQuery {
  readonly id: string
  readonly state: 'waiting' | 'running'
  readonly query: string
  readonly startMs: number
  readonly endMs: number
  /** 0: an instant query. */
  readonly stepMs: number
  /** Since it came in. */
  readonly ageMs: number
  /** Fetched from the stores so far, once per selector; bytes are those of chunks. */
  readonly series: number
  readonly bytes: number
}

/** What a look-up found, each once, ascending. */
export interface Found<T> {
  readonly values: readonly T[]
  readonly warnings: readonly string[]
}

export interface QueryBackend {
  query(request: QueryRequest, signal: AbortSignal): Promise<EncodedResult>
  labelNames(request: LookupRequest, signal: AbortSignal): Promise<Found<string>>
  labelValues(label: string, request: LookupRequest, signal: AbortSignal): Promise<Found<string>>
  series(request: LookupRequest, signal: AbortSignal): Promise<Found<Labels>>
  /** Oldest first. */
  activeQueries(): readonly ActiveQuery[]
  /** Throws `not_found`. */
  endQuery(id: string): void
  /** By component type. */
  stores(): Readonly<Record<string, readonly EndpointStatus[]>>
  /** Flags and their values as texts, for /status/flags. */
  flags(): Readonly<Record<string, string>>
}
