// Arithmetic, comparisons and functions between scalars: what an operator runs at each step, and a pass once.
// Specification: Prometheus 3.14, promql/engine.go (scalarBinop) and promql/functions.go.
// Owns the table of functions.

import type { ElementOp } from '../plan/plan.ts'
import { max, min } from './go-math.ts'
import { arithmetic, comparisons } from './operators.ts'

/** Of a call's arguments; planner.ts names them. */
export const scalarFunctions: Readonly<Record<string, (...args: number[]) => number>> = {
  negate: (value) => -value!,
  max_of: (a, b) => max(a!, b!),
  min_of: (a, b) => min(a!, b!),
}

/** A comparison yields 1 or 0. */
export function scalarOperation(op: ElementOp): (a: number, b: number) => number {
  const compare = comparisons[op]
  return compare === undefined ? arithmetic[op]! : (a, b) => (compare(a, b) ? 1 : 0)
}
