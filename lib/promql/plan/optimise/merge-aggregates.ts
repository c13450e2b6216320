// Aggregations of aggregations: max by (a) (max by (a, b) (x)) is max by (a) (x), and so for min and group.
// Sums are left as they are: adding in another order changes last digits.
// Owns the condition: the inner one keeps every label that the outer one groups by.

import type { QueryPlan } from '../plan.ts'
import { type AnyPlan, mapQuery, mapUp } from '../walk.ts'

const mergeable: ReadonlySet<string> = new Set(['max', 'min', 'group'])

export function mergeAggregates(query: QueryPlan): QueryPlan {
  return mapQuery(query, (plan) => mapUp(plan, merge))
}

function merge(plan: AnyPlan): AnyPlan {
  if (plan.kind !== 'aggregate' || plan.child.kind !== 'aggregate') return plan
  const { op, grouping, child: inner } = plan
  if (op !== inner.op || !mergeable.has(op) || grouping.without || inner.grouping.without) return plan
  if (!grouping.labels.every((label) => inner.grouping.labels.includes(label))) return plan
  return { ...plan, child: inner.child, childPos: inner.childPos }
}
