// The optimiser: passes over a plan, one after the other, none of which changes an answer.
// Specification: test/lib/promql/plan/optimise holds each of them, and random queries with and without all of them.
// Owns the order of the passes: what is folded and narrowed first is found equal later.

import type { QueryPlan } from '../plan.ts'
import { foldConstants } from './fold-constants.ts'
import { mergeAggregates } from './merge-aggregates.ts'
import { projectLabels } from './project-labels.ts'
import { propagateMatchers } from './propagate-matchers.ts'
import { shareEqual } from './share-equal.ts'

export type Pass = (plan: QueryPlan) => QueryPlan

export const allPasses: readonly Pass[] = [foldConstants, mergeAggregates, propagateMatchers, shareEqual, projectLabels]

export function optimise(plan: QueryPlan, passes: readonly Pass[] = allPasses): QueryPlan {
  return passes.reduce((before, pass) => pass(before), plan)
}
