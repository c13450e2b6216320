// What a query yields: one of PromQL's four value types, with the annotations that arose on the way.
// Specification: Prometheus 3.14, promql/value.go and the HTTP API's result types.
// Owns the types that whoever encodes an answer reads.

import type { Histogram } from '../../histogram/histogram.ts'
import type { Labels } from '../../labels/labels.ts'
import type { StoreRead } from '../queryable.ts'

/** Points of one series: times (ms, ascending) and values side by side. The values are the caller's; series may share their times. */
export interface ResultSeries {
  readonly labels: Labels
  readonly times: Float64Array
  readonly values: Float64Array
  /** Histogram samples, times ascending, at times that are not among those of the floats; absent where there are none. */
  readonly histograms?: readonly ResultHistogram[]
}

export interface ResultHistogram {
  readonly timeMs: number
  readonly histogram: Histogram
}

/** One sample of an instant vector. */
export interface ResultSample {
  readonly labels: Labels
  readonly timeMs: number
  /** NaN where the sample is a histogram. */
  readonly value: number
  readonly histogram?: Histogram
}

export interface Annotations {
  /** Warnings of the storage first, then PromQL's own; each text once. */
  readonly warnings: readonly string[]
  readonly infos: readonly string[]
}

export type QueryValue =
  /** A range query's answer, sorted by labels, or that of a bare matrix selector. */
  | { readonly type: 'matrix'; readonly series: readonly ResultSeries[] }
  /** In the order the expression gives (sort, topk …), else by labels as the series came. */
  | { readonly type: 'vector'; readonly samples: readonly ResultSample[] }
  | { readonly type: 'scalar'; readonly timeMs: number; readonly value: number }
  | { readonly type: 'string'; readonly timeMs: number; readonly value: string }

/** What an operator did: its own work and that of those below it. */
export interface OperatorAnalysis {
  /** As an explanation of the plan names it. */
  readonly name: string
  readonly executionMs: number
  /** Series that it yielded, or that a selector read. */
  readonly series: number
  /** Samples of those; where a selector reads, those that its chunks hold. */
  readonly samples: number
  /** What a selector got from each store. */
  readonly stores?: readonly StoreRead[]
  readonly children: readonly OperatorAnalysis[]
}

/** Samples by step: all that a step looked at, and those that none before it had read; a histogram counts for several. */
export interface QuerySamples {
  readonly times: Float64Array
  readonly total: Float64Array
  readonly read: Float64Array
  /** Held at one time at most. */
  readonly peak: number
}

export type QueryResult = QueryValue &
  Annotations & { readonly analysis?: OperatorAnalysis; readonly sampleCounts?: QuerySamples }
