// Matchers that one side of an operator has to the labels matched on hold for the other side too: what they would leave
// without a partner is not read. `a and on (job) b{job="x"}` reads a{job="x"}.
// Owns where that changes no answer: set operators, and arithmetic whose other side has one series for each match.
// Annotations about series without a partner are not given; where a metric's name alone would give one, nothing is changed.

import { metricName } from '../../../labels/labels.ts'
import type { LabelMatcher } from '../../../labels/matcher.ts'
import { isTrim } from '../../functions/operators.ts'
import type { VectorMatching } from '../../parse/ast.ts'
import { selectedName } from '../names.ts'
import type { Grouping, QueryPlan, Select, VectorPlan, WindowPlan } from '../plan.ts'
import { type AnyPlan, mapQuery, mapUp } from '../walk.ts'

export function propagateMatchers(query: QueryPlan): QueryPlan {
  return mapQuery(query, (plan) => mapUp(plan, propagate))
}

function propagate(plan: AnyPlan): AnyPlan {
  if (plan.kind === 'set' && plan.op !== 'or') {
    const { lhs, rhs, matching } = plan
    const narrowed = { ...plan, rhs: narrow(rhs, between(equalities(lhs), matching)) }
    return plan.op === 'and' ? { ...narrowed, lhs: narrow(lhs, between(equalities(rhs), matching)) } : narrowed
  }
  if (plan.kind !== 'vector_binary' || plan.matching.fill) return plan
  const { lhs, rhs, matching } = plan
  const [many, one] = matching.card === 'one-to-many' ? [rhs, lhs] : [lhs, rhs]
  if (!isUnique(one, matching)) return plan
  const changed = narrow(many, between(equalities(one), matching))
  return matching.card === 'one-to-many' ? { ...plan, rhs: changed } : { ...plan, lhs: changed }
}

function between(matchers: readonly LabelMatcher[], { on, labels }: VectorMatching): LabelMatcher[] {
  return matchers.filter(({ name }) => labels.includes(name) === on)
}

// Two series of one match would be an error, whether or not they have a partner.
function isUnique(plan: VectorPlan, { on, labels }: VectorMatching): boolean {
  if (plan.kind !== 'aggregate' || plan.grouping.without) return false
  return plan.grouping.labels.every((label) => (on ? labels.includes(label) : !labels.includes(label)))
}

/** What the labels of every series of a plan are known to equal. */
function equalities(plan: VectorPlan): readonly LabelMatcher[] {
  switch (plan.kind) {
    case 'selector':
      return ofSelect(plan.select)
    case 'window':
      return plan.source.kind === 'subquery' ? equalities(plan.source.child) : ofSelect(plan.source.select)
    case 'map':
    case 'negate':
    case 'rank':
    case 'vector_invariant':
      return equalities(plan.child)
    case 'vector_scalar':
      return equalities(plan.vector)
    case 'aggregate':
      return equalities(plan.child).filter(({ name }) => keeps(plan.grouping, name))
    default:
      return []
  }
}

function ofSelect({ matchers }: Select): LabelMatcher[] {
  return matchers.filter(({ name, type, value }) => type === '=' && value !== '' && name !== metricName)
}

function keeps({ labels, without }: Grouping, label: string): boolean {
  return labels.includes(label) !== without
}

/** The plan, its selectors narrowed by matchers where its series are so by their labels. */
function narrow(plan: VectorPlan, matchers: readonly LabelMatcher[]): VectorPlan {
  if (matchers.length === 0) return plan
  switch (plan.kind) {
    case 'selector':
      return { ...plan, select: narrowSelect(plan.select, matchers) }
    case 'window': {
      if (plan.source.kind === 'subquery' || isTold(plan, plan.source.select)) return plan
      return { ...plan, source: { ...plan.source, select: narrowSelect(plan.source.select, matchers) } }
    }
    case 'map':
    case 'negate':
    case 'vector_invariant':
      return { ...plan, child: narrow(plan.child, matchers) }
    case 'vector_scalar':
      return isTrim(plan.op) ? plan : { ...plan, vector: narrow(plan.vector, matchers) }
    case 'aggregate': {
      const kept = matchers.filter(({ name }) => keeps(plan.grouping, name))
      return { ...plan, child: narrow(plan.child, kept) }
    }
    default:
      return plan
  }
}

// Where names differ, two series may become one without them: an error, with or without a partner.
function narrowSelect(select: Select, matchers: readonly LabelMatcher[]): Select {
  if (selectedName(select) === undefined) return select
  const isThere = ({ name, value }: LabelMatcher) => ofSelect(select).some((m) => m.name === name && m.value === value)
  const added = matchers.filter((matcher) => !isThere(matcher))
  return added.length === 0 ? select : { ...select, matchers: [...select.matchers, ...added] }
}

/** Whether any series gives an annotation: by its name, that it is no counter; by a φ that may be none. */
function isTold({ func, params }: WindowPlan, select: Select): boolean {
  if (func === 'quantile_over_time') {
    const [quantile] = params
    return !(quantile?.kind === 'number' && quantile.value >= 0 && quantile.value <= 1)
  }
  return (func === 'rate' || func === 'increase') && !/_(total|sum|count|bucket)$/.test(selectedName(select) ?? '')
}
