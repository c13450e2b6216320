// Binary operators where a side is a native histogram: what comes out, and what is said of it.
// Specification: Prometheus 3.14, promql/engine.go (vectorElemBinop, VectorscalarBinop).
// Owns the rules by the operands' types; vector-binary.ts matches the series.

import { compact, equalHistograms, type Histogram } from '../../histogram/histogram.ts'
import { divide, multiply } from '../../histogram/scale.ts'
import { type Addition, addHistograms, subtractHistograms } from '../../histogram/sum.ts'
import { trimHistogram } from '../functions/histogram-trim.ts'
import type { Position } from '../parse/ast.ts'
import type { ElementOp, VectorScalarPlan } from '../plan/plan.ts'
import type { AnnotationSet, SampleType } from './annotations.ts'
import type { Context, StepHistograms } from './context.ts'

export type Operand = number | Histogram

/** Says what is to be said of a step. */
export type Note = (annotations: AnnotationSet, pos: Position) => void

export interface BinaryOutcome {
  /** Absent where the operands do not go together. */
  readonly histogram?: Histogram
  /** A comparison may not hold. */
  readonly keep: boolean
  readonly note?: Note
}

/** The outcome of two operands of which at least one is a histogram. */
export function combineHistograms(op: ElementOp, lhs: Operand, rhs: Operand): BinaryOutcome {
  if (typeof lhs === 'number') {
    if (op === '*' && typeof rhs !== 'number') return { histogram: compact(multiply(rhs, lhs)), keep: true }
  } else if (typeof rhs === 'number') {
    const histogram = withNumber(op, lhs, rhs)
    if (histogram !== undefined) return { histogram, keep: true }
  } else {
    const outcome = twoHistograms(op, lhs, rhs)
    if (outcome !== undefined) return outcome
  }
  const types = { lhs: typeOf(lhs), op, rhs: typeOf(rhs) }
  return { keep: false, note: (annotations, pos) => annotations.operandTypes(types, pos) }
}

function typeOf(operand: Operand): SampleType {
  return typeof operand === 'number' ? 'float' : 'histogram'
}

function withNumber(op: ElementOp, lhs: Histogram, rhs: number): Histogram | undefined {
  if (op === '*') return compact(multiply(lhs, rhs))
  if (op === '/') return compact(divide(lhs, rhs))
  return op === '</' || op === '>/' ? trimHistogram(lhs, op, rhs) : undefined
}

function twoHistograms(op: ElementOp, lhs: Histogram, rhs: Histogram): BinaryOutcome | undefined {
  switch (op) {
    case '+': {
      const { sum, met } = addHistograms(lhs, rhs)
      return added({ histogram: sum, met, op, operation: 'addition' })
    }
    case '-': {
      const { difference, met } = subtractHistograms(lhs, rhs)
      return added({ histogram: { ...difference, hint: 'gauge' }, met, op, operation: 'subtraction' })
    }
    case '==':
      return { histogram: lhs, keep: equalHistograms(lhs, rhs) }
    case '!=':
      return { histogram: lhs, keep: !equalHistograms(lhs, rhs) }
    default:
      return undefined
  }
}

function added({
  histogram,
  met,
  op,
  operation,
}: {
  histogram: Histogram
  met: Addition
  op: ElementOp
  operation: 'addition' | 'subtraction'
}): BinaryOutcome {
  if (met.incompatible) return { keep: false, note: (annotations, pos) => annotations.bucketLayouts(op, pos) }
  // As in Prometheus: counters of which one was reset have no sum between vectors.
  if (met.hintsCollide)
    return { keep: false, note: (annotations, pos) => annotations.counterResetsCollide(operation, pos) }
  const result = { histogram: compact(histogram), keep: true }
  if (!met.boundsReconciled) return result
  return { ...result, note: (annotations, pos) => annotations.customBoundsReconciled(operation, pos) }
}

/** The histograms of a series with a scalar. */
export function histogramsWithScalar(
  { op, swapped, pos }: VectorScalarPlan,
  { histograms, scalars }: { histograms: StepHistograms; scalars: Float64Array },
  { query }: Context,
): StepHistograms {
  return histograms.map((histogram, i) => {
    if (histogram === undefined) return undefined
    const [lhs, rhs] = swapped ? [scalars[i]!, histogram] : [histogram, scalars[i]!]
    const { histogram: result, note } = combineHistograms(op, lhs, rhs)
    note?.(query.annotations, pos)
    return result
  })
}
