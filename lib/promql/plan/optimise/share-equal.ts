// Common parts are read and computed once: `x / (x + y)` reads x once, `sum(a) / sum(a)` has one sum.
// What is kept for the second use is series × steps, within a bound (exec/shared.ts): beyond it the part is computed again.
// Owns which parts are equal: all but their positions, at the same steps. Where annotations point at the last of several equal
// parts, as in Prometheus, the last one is the one that is run; parts whose annotations point at the first one are left alone.

import type { QueryPlan, VectorPlan } from '../plan.ts'
import { type AnyPlan, mapParts, mapQuery, partsOf } from '../walk.ts'

export function shareEqual(query: QueryPlan): QueryPlan {
  const sharing = new Sharing()
  return mapQuery(query, (plan) => sharing.share(plan))
}

/** What is known of a part: which number all equal ones have, and whether sharing them is worth while. */
interface Known {
  readonly number: number
  readonly reads: boolean
  readonly pointsAtFirst: boolean
}

class Sharing {
  #nextId = 1
  readonly #known = new WeakMap<AnyPlan, Known>()
  readonly #numbers = new Map<string, number>()

  /** One scope: what is evaluated at the same steps as the plan. */
  share(plan: AnyPlan): AnyPlan {
    const uses = new Map<number, VectorPlan[]>()
    this.#count(plan, uses)
    const ids = new Map<number, { id: number; uses: number }>()
    const replaced = this.#replace(plan, uses, ids)
    const usesOf = new Map([...ids.values()].map((shared) => [shared.id, shared.uses]))
    return usesOf.size === 0 ? replaced : setUses(replaced, usesOf)
  }

  #count(plan: AnyPlan, uses: Map<number, VectorPlan[]>): void {
    if (!hasOwnSteps(plan)) for (const part of partsOf(plan)) this.#count(part, uses)
    if (!this.#isWorthwhile(plan)) return
    const { number } = this.#of(plan)
    const equal = uses.get(number)
    if (equal === undefined) uses.set(number, [plan])
    else equal.push(plan)
  }

  #replace(
    plan: AnyPlan,
    uses: ReadonlyMap<number, readonly VectorPlan[]>,
    ids: Map<number, { id: number; uses: number }>,
  ): AnyPlan {
    if (hasOwnSteps(plan)) return mapParts(plan, (part) => this.share(part))
    const equal = this.#isWorthwhile(plan) ? uses.get(this.#of(plan).number)! : []
    if (equal.length < 2) return mapParts(plan, (part) => this.#replace(part, uses, ids))
    const { number } = this.#of(plan)
    const shared = ids.get(number) ?? { id: this.#nextId++, uses: 0 }
    ids.set(number, shared)
    shared.uses++
    return { kind: 'shared', id: shared.id, uses: 0, child: equal.at(-1)! }
  }

  #isWorthwhile(plan: AnyPlan): plan is VectorPlan {
    if (!vectorKinds.has(plan.kind)) return false
    const { reads, pointsAtFirst } = this.#of(plan)
    return reads && !pointsAtFirst
  }

  #of(plan: AnyPlan): Known {
    const before = this.#known.get(plan)
    if (before !== undefined) return before
    const parts = partsOf(plan).map((part) => this.#of(part))
    // Parts by their numbers: a long query is gone through once.
    const own = mapParts(plan, () => nothing)
    const text = JSON.stringify([own, parts.map(({ number }) => number)], (name, value) =>
      /pos$/i.test(name) ? undefined : numberText(value),
    )
    const number = this.#numbers.get(text) ?? this.#numbers.size
    this.#numbers.set(text, number)
    const known = {
      number,
      reads: plan.kind === 'selector' || plan.kind === 'range_selector' || parts.some(({ reads }) => reads),
      pointsAtFirst: pointsAtFirst(plan) || parts.some((part) => part.pointsAtFirst),
    }
    this.#known.set(plan, known)
    return known
  }
}

const nothing: AnyPlan = { kind: 'number', value: 0 }

// JSON knows neither NaN nor infinities, nor −0.
function numberText(value: unknown): unknown {
  return typeof value === 'number' && (!Number.isFinite(value) || value === 0) ? `${value} ${1 / value}` : value
}

/** How many uses came about; one alone needs no sharing. */
function setUses(plan: AnyPlan, usesOf: ReadonlyMap<number, number>): AnyPlan {
  if (plan.kind !== 'shared') return mapParts(plan, (part) => setUses(part, usesOf))
  const uses = usesOf.get(plan.id)
  if (uses === undefined) return plan
  return uses === 1 ? plan.child : { ...plan, uses }
}

function hasOwnSteps({ kind }: AnyPlan): boolean {
  return kind === 'subquery' || kind === 'vector_invariant' || kind === 'scalar_invariant'
}

const vectorKinds: ReadonlySet<string> = new Set([
  ...['selector', 'window', 'map', 'vector_scalar', 'vector_binary', 'negate', 'aggregate', 'quantile', 'rank', 'set'],
  ...['label_replace', 'label_join', 'histogram_value'],
])

// Buckets that are not monotonic, start timestamps that overlap: their annotations add up from the first on.
function pointsAtFirst(plan: AnyPlan): boolean {
  return plan.kind === 'histogram' || (plan.kind === 'range_selector' && plan.select.startTimestamps === true)
}
