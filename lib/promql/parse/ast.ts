// The syntax tree of a PromQL expression, as the parser makes it and the planner reads it.
// Specification: Prometheus 3.14, promql/parser. Times and durations are integer milliseconds; positions are UTF-16 offsets into the query.
// Owns the node types.
import type { LabelMatcher } from '../../labels/matcher.ts'

export interface Position {
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

export type ValueType = 'scalar' | 'vector' | 'matrix' | 'string'

export interface NumberLiteral {
  readonly kind: 'number'
  readonly value: number
  /** Written as a duration (5m): the value is its seconds. */
  readonly duration?: boolean
  readonly pos: Position
}

export interface StringLiteral {
  readonly kind: 'string'
  readonly value: string
  readonly pos: Position
}

/** A duration, in seconds: a number, or arithmetic whose value the query's times decide. */
export type DurationExpr = NumberLiteral | DurationOperation

export interface DurationOperation {
  readonly kind: 'duration'
  /** `+` and `-` may have a right side alone. */
  readonly op: '+' | '-' | '*' | '/' | '%' | '^' | 'step' | 'range' | 'min_of' | 'max_of'
  readonly lhs?: DurationExpr
  readonly rhs?: DurationExpr
  /** Written in parentheses. */
  readonly wrapped: boolean
  readonly pos: Position
}

/** `offset` and `@` of a selector or subquery. */
export interface TimeModifiers {
  /** 0 where `offset` is an operation that is not resolved yet. */
  readonly offsetMs: number
  readonly offset?: DurationOperation
  /** Fixed evaluation time of `@`; 'start' and 'end' are the query's own. */
  readonly at?: number | 'start' | 'end'
}

export interface VectorSelector extends TimeModifiers {
  readonly kind: 'vector_selector'
  /** '' where the selector has no metric name of its own. The name is among the matchers too. */
  readonly name: string
  readonly matchers: readonly LabelMatcher[]
  /** What is taken for the value at the range's ends: the sample before them, or a line through those around them. */
  readonly extended?: 'anchored' | 'smoothed'
  readonly pos: Position
}

export interface MatrixSelector {
  readonly kind: 'matrix_selector'
  readonly selector: VectorSelector
  /** 0 where `range` is an operation that is not resolved yet. */
  readonly rangeMs: number
  readonly range?: DurationOperation
  readonly pos: Position
}

export interface Subquery extends TimeModifiers {
  readonly kind: 'subquery'
  readonly expr: Expr
  readonly rangeMs: number
  readonly range?: DurationOperation
  /** 0: the default step, where `step` is absent too. */
  readonly stepMs: number
  readonly step?: DurationOperation
  readonly pos: Position
}

export interface Call {
  readonly kind: 'call'
  readonly func: string
  readonly args: readonly Expr[]
  readonly type: ValueType
  readonly pos: Position
}

export type AggregateOp =
  | 'sum'
  | 'avg'
  | 'count'
  | 'min'
  | 'max'
  | 'group'
  | 'stddev'
  | 'stdvar'
  | 'topk'
  | 'bottomk'
  | 'quantile'
  | 'count_values'
  | 'limitk'
  | 'limit_ratio'

export interface Aggregate {
  readonly kind: 'aggregate'
  readonly op: AggregateOp
  readonly expr: Expr
  /** k of topk, φ of quantile, the label of count_values … */
  readonly param?: Expr
  readonly grouping: readonly string[]
  readonly without: boolean
  readonly pos: Position
}

export type BinaryOp =
  | '+'
  | '-'
  | '*'
  | '/'
  | '%'
  | '^'
  | 'atan2'
  | '=='
  | '!='
  | '<'
  | '>'
  | '<='
  | '>='
  /** Trim of native histograms, upper and lower. */
  | '</'
  | '>/'
  | 'and'
  | 'or'
  | 'unless'

export interface VectorMatching {
  readonly card: 'one-to-one' | 'many-to-one' | 'one-to-many' | 'many-to-many'
  readonly labels: readonly string[]
  /** true: match on `labels` alone; false: on all but them (`ignoring`). */
  readonly on: boolean
  /** Labels of group_left or group_right. */
  readonly include: readonly string[]
  /** Values that stand in for a series that has no match on the other side. */
  readonly fill?: { readonly lhs?: number; readonly rhs?: number }
}

export interface Binary {
  readonly kind: 'binary'
  readonly op: BinaryOp
  readonly lhs: Expr
  readonly rhs: Expr
  readonly bool: boolean
  /** Only between two vectors. */
  readonly matching?: VectorMatching
  readonly pos: Position
}

export interface Unary {
  readonly kind: 'unary'
  readonly op: '+' | '-'
  readonly expr: Expr
  readonly pos: Position
}

export interface Paren {
  readonly kind: 'paren'
  readonly expr: Expr
  readonly pos: Position
}

export type Expr =
  | NumberLiteral
  | StringLiteral
  | VectorSelector
  | MatrixSelector
  | Subquery
  | Call
  | Aggregate
  | Binary
  | Unary
  | Paren

/** The type of value that an expression yields. */
export function valueType(expr: Expr): ValueType {
  switch (expr.kind) {
    case 'number':
      return 'scalar'
    case 'string':
      return 'string'
    case 'vector_selector':
    case 'aggregate':
      return 'vector'
    case 'matrix_selector':
    case 'subquery':
      return 'matrix'
    case 'call':
      return expr.type
    case 'binary':
      return valueType(expr.lhs) === 'scalar' && valueType(expr.rhs) === 'scalar' ? 'scalar' : 'vector'
    case 'unary':
    case 'paren':
      return valueType(expr.expr)
    default:
      return expr satisfies never
  }
}
