// What the two halves of planning share: the planner each calls back into, and the hints passed down.
// Specification: Prometheus 3.14, promql/engine.go (extractFuncFromPath, extractGroupsFromPath).
// Owns no logic but wrapping; it keeps planner.ts and calls.ts out of each other.

import type { Expr, VectorSelector } from '../parse/ast.ts'
import type { Grouping, MatrixPlan, ScalarPlan, SelectorPlan, VectorPlan } from './plan.ts'

/** What stands above a selector: the nearest call or aggregation, and the labels of an aggregation right above. */
export interface Hint {
  readonly func: string
  readonly grouping: Grouping | undefined
}

export const noHint: Hint = { func: '', grouping: undefined }

/** A plan, and whether its value is the same at every step of the query. */
export interface Planned<T> {
  readonly plan: T
  readonly invariant: boolean
}

/** What a query is planned for. */
export interface PlanOptions {
  readonly startMs: number
  readonly endMs: number
  /** 0 in an instant query. */
  readonly stepMs: number
  /** Start timestamps count in the functions that know them. */
  readonly startTimestamps: boolean
}

export interface Planner {
  readonly options: PlanOptions
  /** Selectors of whose histograms only count and sum matter. */
  readonly withoutBuckets: ReadonlySet<VectorSelector>
  scalar(expr: Expr, hint: Hint): Planned<ScalarPlan>
  vector(expr: Expr, hint: Hint): Planned<VectorPlan>
  matrix(expr: Expr, hint: Hint): Planned<MatrixPlan>
  /** A selector right under timestamp() or start_timestamp(). */
  times(expr: VectorSelector, shows: Exclude<SelectorPlan['shows'], 'value'>, hint: Hint): Planned<VectorPlan>
  string(expr: Expr): string
}

/** The expression inside any parentheses. */
export function unwrapParens(expr: Expr): Expr {
  let inner = expr
  while (inner.kind === 'paren') inner = inner.expr
  return inner
}

/** Step invariant parts run once for all steps; a number is that already. */
export function wrapScalar({ plan, invariant }: Planned<ScalarPlan>): ScalarPlan {
  return invariant && plan.kind !== 'number' ? { kind: 'scalar_invariant', child: plan } : plan
}

/** The same of a vector. */
export function wrapVector({ plan, invariant }: Planned<VectorPlan>): VectorPlan {
  return invariant ? { kind: 'vector_invariant', child: plan } : plan
}
