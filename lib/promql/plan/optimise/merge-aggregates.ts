// Aggregations of aggregations: max by (a) (max by (a, b) (x)) is max by (a) (x), and a sum of counts is a count.
// Sums of sums are left as they are: adding in another order changes last digits.
// Owns the condition: the inner one keeps every label that the outer one groups by.

import type { QueryPlan, StreamingAggregateOp } from '../plan.ts'
import { type AnyPlan, mapQuery, mapUp } from '../walk.ts'

/** What an aggregation (first) of an aggregation (second) is. A group's value is 1, and histograms count as floats do. */
const merged: {
  readonly [Outer in StreamingAggregateOp]?: { readonly [Inner in StreamingAggregateOp]?: StreamingAggregateOp }
} = {
  max: { max: 'max', group: 'group' },
  min: { min: 'min', group: 'group' },
  avg: { group: 'group' },
  group: { group: 'group', count: 'group' },
  sum: { count: 'count' },
}

export function mergeAggregates(query: QueryPlan): QueryPlan {
  return mapQuery(query, (plan) => mapUp(plan, merge))
}

function merge(plan: AnyPlan): AnyPlan {
  if (plan.kind !== 'aggregate' || plan.child.kind !== 'aggregate') return plan
  const { grouping, child: inner } = plan
  const op = merged[plan.op]?.[inner.op]
  if (op === undefined || grouping.without || inner.grouping.without) return plan
  if (!grouping.labels.every((label) => inner.grouping.labels.includes(label))) return plan
  return { ...plan, op, child: inner.child, childPos: inner.childPos }
}
