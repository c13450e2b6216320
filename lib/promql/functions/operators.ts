// The binary operators between two numbers.
// Specification: Prometheus 3.14, promql/engine.go (scalarBinop, vectorElemBinop).
// Owns the two tables: arithmetic yields a value, a comparison keeps or drops.

import type { ElementOp } from '../plan/plan.ts'
import { pow } from './go-math.ts'
import { atan2 } from './go-trig.ts'

export type Arithmetic = (lhs: number, rhs: number) => number
export type Comparison = (lhs: number, rhs: number) => boolean

export const arithmetic: Readonly<Partial<Record<ElementOp, Arithmetic>>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
  '^': pow,
  atan2,
}

export const comparisons: Readonly<Partial<Record<ElementOp, Comparison>>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '>': (a, b) => a > b,
  '<=': (a, b) => a <= b,
  '>=': (a, b) => a >= b,
}

/** Trimming takes a native histogram: between floats there is no result, and an info says so. */
export function isTrim(op: ElementOp): boolean {
  return op === '</' || op === '>/'
}
