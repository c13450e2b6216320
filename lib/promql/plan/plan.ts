// The typed plan of a query: what the operators of exec/ run, without parentheses, with @ start() and @ end() resolved.
// Specification: Prometheus 3.14, promql/engine.go (PreprocessExpr). Times in ms, positions as in the syntax tree.
// Owns the node types; planner.ts makes them, exec/ has one operator for each kind.

import type { WindowFunction } from '../../kernels/kernels.ts'
import type { Labels } from '../../labels/labels.ts'
import type { LabelMatcher } from '../../labels/matcher.ts'
import type { BinaryOp, Position, VectorMatching } from '../parse/ast.ts'

export type SetOp = 'and' | 'or' | 'unless'
export type ElementOp = Exclude<BinaryOp, SetOp>
export type StreamingAggregateOp = 'sum' | 'avg' | 'count' | 'min' | 'max' | 'group' | 'stddev' | 'stdvar'
export type RankAggregateOp = 'topk' | 'bottomk' | 'limitk' | 'limit_ratio'

/** What a selector reads; with `atMs` it reads at that time whatever the step is. */
export interface Select {
  readonly matchers: readonly LabelMatcher[]
  readonly offsetMs: number
  readonly atMs: number | undefined
  readonly extended?: 'anchored' | 'smoothed' | undefined
  /** Of histograms, count and sum are all that is asked for. */
  readonly withoutBuckets?: boolean
  /** Start timestamps are read and count. */
  readonly startTimestamps?: boolean
  /** Hints: the call or aggregation above, and the labels of an aggregation right above. */
  readonly func: string
  readonly grouping: Grouping | undefined
  /** The labels that are looked at, or those that are not; every label where absent. */
  readonly projection?: Grouping
}

export interface Grouping {
  readonly labels: readonly string[]
  readonly without: boolean
}

/** An operator that drops the metric name says whether its output may hold a label set twice for that. */
interface DropsName {
  /** The series' names are known to be one and the same: dropping it keeps them apart. */
  readonly oneName: boolean
}

export type ScalarPlan =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'time' }
  | { readonly kind: 'scalar_of'; readonly child: VectorPlan }
  | { readonly kind: 'scalar_binary'; readonly op: ElementOp; readonly lhs: ScalarPlan; readonly rhs: ScalarPlan }
  | { readonly kind: 'scalar_call'; readonly func: string; readonly args: readonly ScalarPlan[] }
  | { readonly kind: 'scalar_invariant'; readonly child: ScalarPlan }

export interface SelectorPlan extends DropsName {
  readonly kind: 'selector'
  readonly select: Select
  /**
   * A time of the sample, in seconds, in place of its value, and no name: timestamp() and start_timestamp().
   * Nothing where start timestamps do not count: the sample is one that was looked at, as in Prometheus, whatever it weighs.
   */
  readonly shows: 'value' | 'time' | 'startTime' | 'nothing'
  /** Where annotations point. */
  readonly pos: Position
}

export interface WindowPlan extends DropsName {
  readonly kind: 'window'
  readonly func: WindowFunction
  readonly source: MatrixPlan
  readonly params: readonly ScalarPlan[]
  readonly keepsName: boolean
  /** Of the first argument, where annotations point. */
  readonly pos: Position
}

export interface MapPlan extends DropsName {
  readonly kind: 'map'
  /** A name of functions/value-functions.ts. */
  readonly func: string
  readonly child: VectorPlan
  readonly params: readonly ScalarPlan[]
}

/** What arithmetic and comparisons between vectors, or with one, have in common. */
interface BinaryPlan {
  readonly op: ElementOp
  readonly bool: boolean
  /** Of the whole operation, where annotations point. */
  readonly pos: Position
}

export interface VectorBinaryPlan extends BinaryPlan {
  readonly kind: 'vector_binary'
  readonly lhs: VectorPlan
  readonly rhs: VectorPlan
  readonly matching: VectorMatching
}

export interface VectorScalarPlan extends BinaryPlan, DropsName {
  readonly kind: 'vector_scalar'
  readonly vector: VectorPlan
  readonly scalar: ScalarPlan
  /** The scalar stands on the left. */
  readonly swapped: boolean
}

export interface HistogramPlan extends DropsName {
  readonly kind: 'histogram'
  readonly func: 'histogram_quantile' | 'histogram_fraction' | 'histogram_quantiles'
  /** φ, or lower and upper bound, or every φ. */
  readonly params: readonly ScalarPlan[]
  readonly paramsPos: readonly Position[]
  /** Label that histogram_quantiles puts φ in. */
  readonly label: string
  readonly child: VectorPlan
  readonly childPos: Position
}

/** A number of each histogram sample; floats yield nothing. */
export interface HistogramValuePlan extends DropsName {
  readonly kind: 'histogram_value'
  readonly func: 'histogram_count' | 'histogram_sum' | 'histogram_avg' | 'histogram_stddev' | 'histogram_stdvar'
  readonly child: VectorPlan
}

export interface RankPlan {
  readonly kind: 'rank'
  readonly op: RankAggregateOp
  readonly child: VectorPlan
  readonly param: ScalarPlan
  readonly paramPos: Position
  /** Of the whole aggregation, where annotations on its samples point. */
  readonly pos: Position
  readonly grouping: Grouping
}

export interface LabelReplacePlan {
  readonly kind: 'label_replace'
  readonly child: VectorPlan
  readonly target: string
  readonly replacement: string
  readonly sourceLabel: string
  readonly regex: string
}

export interface LabelJoinPlan {
  readonly kind: 'label_join'
  readonly child: VectorPlan
  readonly target: string
  readonly separator: string
  readonly sources: readonly string[]
}

export type VectorPlan =
  | SelectorPlan
  | WindowPlan
  | MapPlan
  | VectorBinaryPlan
  | VectorScalarPlan
  | HistogramPlan
  | RankPlan
  | LabelReplacePlan
  | LabelJoinPlan
  | {
      readonly kind: 'set'
      readonly op: SetOp
      readonly lhs: VectorPlan
      readonly rhs: VectorPlan
      readonly matching: VectorMatching
    }
  | ({ readonly kind: 'negate'; readonly child: VectorPlan } & DropsName)
  | ({ readonly kind: 'timestamp'; readonly child: VectorPlan } & DropsName)
  | HistogramValuePlan
  /** The child is evaluated for its errors alone. */
  | { readonly kind: 'nothing'; readonly child: VectorPlan }
  | { readonly kind: 'vector_of'; readonly scalar: ScalarPlan }
  | {
      readonly kind: 'info'
      readonly child: VectorPlan
      /** Of the metric name, and of the labels to add (none: all are added). */
      readonly nameMatchers: readonly LabelMatcher[]
      readonly dataMatchers: readonly LabelMatcher[]
      readonly offsetMs: number
      readonly atMs: number | undefined
    }
  | { readonly kind: 'absent'; readonly child: VectorPlan; readonly labels: Labels }
  | { readonly kind: 'absent_over_time'; readonly source: MatrixPlan; readonly labels: Labels }
  | { readonly kind: 'sort'; readonly child: VectorPlan; readonly descending: boolean; readonly pos: Position }
  | {
      readonly kind: 'sort_by_label'
      readonly child: VectorPlan
      readonly labels: readonly string[]
      readonly descending: boolean
      readonly pos: Position
    }
  | {
      readonly kind: 'aggregate'
      readonly op: StreamingAggregateOp
      readonly child: VectorPlan
      readonly childPos: Position
      readonly grouping: Grouping
    }
  | {
      readonly kind: 'quantile'
      readonly child: VectorPlan
      readonly childPos: Position
      readonly param: ScalarPlan
      readonly paramPos: Position
      readonly grouping: Grouping
    }
  | { readonly kind: 'count_values'; readonly child: VectorPlan; readonly label: string; readonly grouping: Grouping }
  /** One of several uses of one part: see optimise/share-equal.ts. */
  | { readonly kind: 'shared'; readonly id: number; readonly uses: number; readonly child: VectorPlan }
  /** Evaluated once, at the first step; the same at all steps. */
  | { readonly kind: 'vector_invariant'; readonly child: VectorPlan }

export type MatrixPlan =
  | { readonly kind: 'range_selector'; readonly select: Select; readonly rangeMs: number }
  | {
      readonly kind: 'subquery'
      readonly child: VectorPlan
      readonly rangeMs: number
      /** 0: the engine's default for the range. */
      readonly stepMs: number
      readonly offsetMs: number
      readonly atMs: number | undefined
    }

export type QueryPlan =
  | { readonly type: 'scalar'; readonly plan: ScalarPlan }
  | { readonly type: 'vector'; readonly plan: VectorPlan }
  | { readonly type: 'matrix'; readonly plan: MatrixPlan }
  | { readonly type: 'string'; readonly value: string }
