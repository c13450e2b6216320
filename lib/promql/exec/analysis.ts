// What each operator of a running query does: time, series, samples, and what its selectors get from the stores.
// Specification: Thanos's engine with analyze=true (pkg/api/query, queryTelemetry); times hold what lies below, too.
// Owns the counting; a query that is not analysed has none.

import { describeOperator } from '../plan/explain.ts'
import type { QueryPlan, Select } from '../plan/plan.ts'
import { type AnyPlan, partsOf } from '../plan/walk.ts'
import type { StoreRead } from '../queryable.ts'
import { type Context, type Runner, type SelectObserver, type SeriesStream, viewsOf } from './context.ts'
import type { OperatorAnalysis } from './result.ts'

interface Counts {
  executionMs: number
  series: number
  samples: number
  stores: StoreRead[]
}

export class Analysis implements SelectObserver {
  readonly #byPlan = new Map<AnyPlan, Counts>()
  readonly #bySelect = new Map<Select, Counts>()

  /** The runner, every operator counted. */
  runner(inner: Runner): Runner {
    return {
      vector: (plan, context) => counted(inner.vector(plan, context), countsOf(this.#byPlan, plan), context),
      scalar: async (plan, context) => {
        const counts = countsOf(this.#byPlan, plan)
        const startMs = performance.now()
        const values = await inner.scalar(plan, context)
        counts.executionMs += performance.now() - startMs
        return values
      },
    }
  }

  /** A series that a selector has read. */
  read(select: Select, samples: number): void {
    const counts = countsOf(this.#bySelect, select)
    counts.series++
    counts.samples += samples
  }

  /** The stores that a selector has asked. */
  asked(select: Select, stores: readonly StoreRead[]): void {
    countsOf(this.#bySelect, select).stores.push(...stores)
  }

  /** The analysis of the plan that was run. */
  of(query: QueryPlan): OperatorAnalysis {
    if (query.type !== 'string') return this.#operator(query.plan)
    return { name: 'string', executionMs: 0, series: 0, samples: 0, children: [] }
  }

  #operator(plan: AnyPlan): OperatorAnalysis {
    const own = countsOf(this.#byPlan, plan)
    const select = plan.kind === 'selector' || plan.kind === 'range_selector' ? plan.select : undefined
    const { series, samples, stores } = select ? countsOf(this.#bySelect, select) : own
    const children = partsOf(plan).map((part) => this.#operator(part))
    const counts = { executionMs: own.executionMs, series, samples, ...(select && { stores }) }
    return { name: describeOperator(plan), ...counts, children }
  }
}

function countsOf<K>(map: Map<K, Counts>, key: K): Counts {
  const counts = map.get(key) ?? { executionMs: 0, series: 0, samples: 0, stores: [] }
  map.set(key, counts)
  return counts
}

async function* counted(stream: SeriesStream, counts: Counts, context: Context): SeriesStream {
  const iterator = stream[Symbol.asyncIterator]()
  try {
    for (;;) {
      const startMs = performance.now()
      const { done, value } = await iterator.next()
      counts.executionMs += performance.now() - startMs
      if (done) return
      counts.series++
      const { present } = viewsOf(context, value.row)
      for (let i = 0; i < present.length; i++) counts.samples += present[i]!
      for (const histogram of value.histograms ?? []) if (histogram !== undefined) counts.samples++
      yield value
    }
  } finally {
    await iterator.return?.()
  }
}
