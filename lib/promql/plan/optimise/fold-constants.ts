// Constant folding: arithmetic between numbers is done once, before anything is evaluated.
// The numbers are those that the operators would compute, by the same functions.
// Owns no more than scalars; a vector is never constant here.

import { scalarFunctions, scalarOperation } from '../../functions/scalar-functions.ts'
import type { QueryPlan, ScalarPlan } from '../plan.ts'
import { type AnyPlan, mapQuery, mapUp } from '../walk.ts'

export function foldConstants(query: QueryPlan): QueryPlan {
  return mapQuery(query, (plan) => mapUp(plan, fold))
}

function fold(plan: AnyPlan): AnyPlan {
  switch (plan.kind) {
    case 'scalar_binary': {
      const { op, lhs, rhs } = plan
      if (lhs.kind !== 'number' || rhs.kind !== 'number') return plan
      return number(scalarOperation(op)(lhs.value, rhs.value))
    }
    case 'scalar_call': {
      const values = plan.args.flatMap((arg) => (arg.kind === 'number' ? [arg.value] : []))
      return values.length < plan.args.length ? plan : number(scalarFunctions[plan.func]!(...values))
    }
    case 'scalar_invariant':
      return plan.child.kind === 'number' ? plan.child : plan
    default:
      return plan
  }
}

function number(value: number): ScalarPlan {
  return { kind: 'number', value }
}
