// Projection: which labels of a selector's series anything above it looks at. `sum by (job) (rate(x[5m]))` wants job alone, and
// `a and on (job) b` wants no more of b; a queryable need not decode the others.
// Owns the condition: nothing between the selector and what forgets labels tells series apart by them, or names them in an error.

import { metricName } from '../../../labels/labels.ts'
import type { VectorMatching } from '../../parse/ast.ts'
import type { Grouping, QueryPlan, Select, VectorPlan } from '../plan.ts'
import { type AnyPlan, mapParts, mapQuery } from '../walk.ts'

/** undefined: every label. */
type Labels = Grouping | undefined

const noLabels: Grouping = { labels: [], without: false }

/** What annotations tell of a series, whatever is above. */
const alwaysWanted: readonly string[] = [metricName, '__type__', '__unit__']

type SharedPlan = Extract<VectorPlan, { kind: 'shared' }>
type AtShared = (plan: SharedPlan, wanted: Labels) => AnyPlan

/** Runs last: parts with other projections are not equal. */
export function projectLabels(query: QueryPlan): QueryPlan {
  const together = wantedOfShared(query)
  // What is one plan stays one.
  const done = new Map<number, AnyPlan>()
  const apply: AtShared = (plan) => {
    const projected = done.get(plan.id) ?? mapParts(plan, (part) => project(part, together.get(plan.id), apply))
    done.set(plan.id, projected)
    return projected
  }
  return mapQuery(query, (plan) => project(plan, undefined, apply))
}

/** What all uses of each shared part want of it together, by its number. */
function wantedOfShared(query: QueryPlan): ReadonlyMap<number, Labels> {
  const together = new Map<number, Labels>()
  const collect: AtShared = (plan, wanted) => {
    const known = together.has(plan.id)
    const before = together.get(plan.id)
    const all = known ? union(before, wanted) : wanted
    if (known && JSON.stringify(all) === JSON.stringify(before)) return plan
    together.set(plan.id, all)
    mapParts(plan, (part) => project(part, all, collect))
    return plan
  }
  mapQuery(query, (plan) => project(plan, undefined, collect))
  return together
}

function project(plan: AnyPlan, wanted: Labels, atShared: AtShared): AnyPlan {
  switch (plan.kind) {
    case 'selector':
      return wanted && isApart(plan) ? { ...plan, select: withProjection(plan.select, wanted) } : plan
    case 'range_selector':
      return wanted ? { ...plan, select: withProjection(plan.select, wanted) } : plan
    case 'set':
    case 'vector_binary': {
      const [left, right] = sidesOf(plan, wanted)
      const lhs = project(plan.lhs, left, atShared) as VectorPlan
      return { ...plan, lhs, rhs: project(plan.rhs, right, atShared) as VectorPlan }
    }
    case 'shared':
      return atShared(plan, wanted)
    default:
      return mapParts(plan, (part) => project(part, wantedBelow(plan, wanted), atShared))
  }
}

/** What an operator with one source of series wants of it. */
function wantedBelow(plan: AnyPlan, wanted: Labels): Labels {
  switch (plan.kind) {
    case 'aggregate':
    case 'quantile':
    case 'count_values':
      return plan.grouping
    case 'absent':
    case 'absent_over_time':
    case 'scalar_of':
      return noLabels
    case 'window':
    case 'map':
    case 'negate':
    case 'timestamp':
    case 'histogram_value':
    case 'vector_scalar':
      return isApart(plan) ? wanted : undefined
    case 'rank':
      // Which ones limitk and limit_ratio take goes by the labels.
      return plan.op === 'topk' || plan.op === 'bottomk' ? union(wanted, plan.grouping) : undefined
    case 'sort':
    case 'subquery':
    case 'vector_invariant':
      return wanted
    default:
      return undefined
  }
}

// Where names differ, series that are the same without them are an error, or one series: that goes by all labels.
function isApart(plan: Extract<VectorPlan, { readonly oneName: boolean }>): boolean {
  if (plan.kind === 'selector' && plan.shows === 'value') return true
  return plan.oneName || (plan.kind === 'window' && plan.keepsName)
}

function sidesOf(
  plan: Extract<VectorPlan, { kind: 'set' | 'vector_binary' }>,
  wanted: Labels,
): [left: Labels, right: Labels] {
  const { on, labels, card } = plan.matching
  // Of two series of one match on the right side an error tells every label.
  if (plan.kind === 'vector_binary')
    return [on && card === 'one-to-one' ? { labels, without: false } : undefined, undefined]
  if (plan.op === 'or') return [undefined, undefined]
  const matched = matchedLabels(plan.matching)
  return [union(wanted, matched), matched]
}

function matchedLabels({ on, labels }: VectorMatching): Grouping {
  return { labels, without: !on }
}

function union(a: Labels, b: Labels): Labels {
  if (a === undefined || b === undefined) return undefined
  if (a.without && b.without) return { labels: a.labels.filter((label) => b.labels.includes(label)), without: true }
  if (!a.without && !b.without) return { labels: sorted([...a.labels, ...b.labels]), without: false }
  const [all, some] = a.without ? [a, b] : [b, a]
  return { labels: all.labels.filter((label) => !some.labels.includes(label)), without: true }
}

function withProjection(select: Select, { labels, without }: Grouping): Select {
  const named = without ? labels.filter((label) => !alwaysWanted.includes(label)) : [...labels, ...alwaysWanted]
  if (without && named.length === 0) return select
  return { ...select, projection: { labels: sorted(named), without } }
}

function sorted(labels: readonly string[]): string[] {
  return [...new Set(labels)].sort()
}

/** The labels that a projection names beside those that are always wanted, for explanations. */
export function shownLabels({ labels }: Grouping): string[] {
  return labels.filter((label) => !alwaysWanted.includes(label))
}
