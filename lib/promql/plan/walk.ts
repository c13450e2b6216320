// The parts of a plan: what its operators evaluate first, in the order in which they do.
// Specification: the node types of plan.ts: children stand in fields of a few names.
// Owns those names; passes and explanations know plans through here.

import type { MatrixPlan, QueryPlan, ScalarPlan, VectorPlan } from './plan.ts'

export type AnyPlan = VectorPlan | ScalarPlan | MatrixPlan

const lists = ['params', 'args'] as const
const fields = ['param', 'scalar', 'source', 'child', 'lhs', 'rhs', 'vector'] as const

type Parts = { readonly [K in (typeof lists)[number]]?: readonly AnyPlan[] } & {
  readonly [K in (typeof fields)[number]]?: AnyPlan
}

/** The plans right below one, none twice. */
export function partsOf(plan: AnyPlan): AnyPlan[] {
  const parts = plan as Parts
  return [...lists.flatMap((name) => parts[name] ?? []), ...fields.flatMap((name) => parts[name] ?? [])]
}

/** The plan with each of its parts changed; the same object where none of them is. */
export function mapParts<P extends AnyPlan>(plan: P, change: (part: AnyPlan) => AnyPlan): P {
  const parts = plan as Parts
  const changed: Record<string, AnyPlan | AnyPlan[]> = {}
  for (const name of lists) {
    const before = parts[name]
    const after = before?.map(change)
    if (after?.some((part, i) => part !== before![i])) changed[name] = after
  }
  for (const name of fields) {
    const before = parts[name]
    const after = before && change(before)
    if (after !== undefined && after !== before) changed[name] = after
  }
  return Object.keys(changed).length === 0 ? plan : { ...plan, ...changed }
}

/** Changes every plan from the leaves up. */
export function mapUp<P extends AnyPlan>(plan: P, change: (plan: AnyPlan) => AnyPlan): AnyPlan {
  return change(mapParts(plan, (part) => mapUp(part, change)))
}

/** The same query with another plan at its root, of the type that it had. */
export function mapQuery(query: QueryPlan, change: (plan: AnyPlan) => AnyPlan): QueryPlan {
  return query.type === 'string' ? query : ({ ...query, plan: change(query.plan) } as QueryPlan)
}
