// Which metric name the series of a plan carry, where that is known before any data is read.
// Dropping a name that all series share keeps them apart; where names differ, the operator must look for duplicates.
// Owns this rule and no other.

import { metricName } from '../../labels/labels.ts'
import type { ElementOp, MatrixPlan, Select, VectorPlan } from './plan.ts'

/** The metric name that all series of a plan carry ('' for none), undefined where they may differ. */
export function staticName(plan: VectorPlan): string | undefined {
  switch (plan.kind) {
    case 'selector':
      if (plan.shows !== 'value') return ''
      return selectedName(plan.select)
    case 'vector_invariant':
    case 'shared':
    case 'sort':
    case 'sort_by_label':
    case 'rank':
    case 'info':
      return staticName(plan.child)
    case 'count_values':
      if (plan.label === metricName) return undefined
      return plan.grouping.without || !plan.grouping.labels.includes(metricName) ? '' : staticName(plan.child)
    case 'aggregate':
    case 'quantile':
      return plan.grouping.without || !plan.grouping.labels.includes(metricName) ? '' : staticName(plan.child)
    case 'label_replace':
    case 'label_join':
      return plan.target === metricName ? undefined : staticName(plan.child)
    case 'vector_scalar':
      return keepsName(plan.op, plan.bool) ? staticName(plan.vector) : ''
    case 'vector_binary':
      if (plan.matching.include.includes(metricName)) return undefined
      if (!keepsName(plan.op, plan.bool)) return ''
      return staticName(plan.matching.card === 'one-to-many' ? plan.rhs : plan.lhs)
    case 'set':
      if (plan.op !== 'or') return staticName(plan.lhs)
      return staticName(plan.lhs) === staticName(plan.rhs) ? staticName(plan.lhs) : undefined
    case 'window':
      return plan.keepsName ? sourceName(plan.source) : ''
    default:
      return ''
  }
}

/** The same of what a range vector is made from. */
export function sourceName(source: MatrixPlan): string | undefined {
  if (source.kind === 'subquery') return staticName(source.child)
  return selectedName(source.select)
}

/** The name that a selector's matchers fix. */
export function selectedName({ matchers }: Select): string | undefined {
  return matchers.find((m) => m.name === metricName && m.type === '=')?.value
}

/** Whether an operator leaves the metric name: comparisons do, unless they yield 0 and 1. */
export function keepsName(op: ElementOp, bool: boolean): boolean {
  return !bool && !['+', '-', '*', '/', '%', '^', 'atan2'].includes(op)
}
