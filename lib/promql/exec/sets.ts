// Set operators between two vectors: and, or, unless, decided at each step.
// Specification: Prometheus 3.14, promql/engine.go (VectorAnd, VectorOr, VectorUnless).
// Owns one byte a step for each signature of the side that decides.

import { labelsKey } from '../../labels/labels.ts'
import type { VectorPlan } from '../plan/plan.ts'
import {
  anyHistogram,
  anyPresent,
  type Context,
  checkAborted,
  type SeriesStream,
  type StepHistograms,
  viewsOf,
} from './context.ts'
import { matchKeys } from './grouping.ts'
import { collect, emit, type KeptSeries, Matrix, mergeInto } from './matrix.ts'

type SetPlan = Extract<VectorPlan, { kind: 'set' }>

/** Steps at which any series of a signature has a value. */
class Presence {
  readonly #count: number
  readonly #bySignature = new Map<string, Uint8Array>()

  constructor(count: number) {
    this.#count = count
  }

  add(signature: string, present: Uint8Array, histograms: StepHistograms | undefined): void {
    let any = this.#bySignature.get(signature)
    if (any === undefined) {
      any = new Uint8Array(this.#count)
      this.#bySignature.set(signature, any)
    }
    for (let i = 0; i < any.length; i++) any[i]! |= present[i]!
    if (histograms !== undefined) for (let i = 0; i < any.length; i++) if (histograms[i] !== undefined) any[i] = 1
  }

  get(signature: string): Uint8Array | undefined {
    return this.#bySignature.get(signature)
  }
}

export function setOperator(plan: SetPlan, context: Context): SeriesStream {
  return plan.op === 'or' ? orOperator(plan, context) : andUnlessOperator(plan, context)
}

// The right side decides alone, so the left is collected first, as Prometheus evaluates it, and then let through.
async function* andUnlessOperator(plan: SetPlan, context: Context): SeriesStream {
  const lhs = await collect(plan.lhs, context)
  const key = matchKeys(plan.matching)
  const right = new Presence(context.steps.count)
  for await (const { labels, row, histograms } of context.query.run.vector(plan.rhs, context)) {
    checkAborted(context.query.signal)
    right.add(key(labels), viewsOf(context, row).present, histograms)
  }
  const wanted = plan.op === 'and' ? 1 : 0
  for (const series of lhs.series) {
    const { labels, present, histograms } = series
    const other = right.get(key(labels))
    if (other !== undefined) for (let i = 0; i < present.length; i++) present[i]! &= other[i] === wanted ? 1 : 0
    else if (wanted === 1) present.fill(0)
    series.histograms = histograms?.map((histogram, i) => ((other?.[i] ?? 0) === wanted ? histogram : undefined))
  }
  yield* emit(lhs, context)
}

async function* orOperator(plan: SetPlan, context: Context): SeriesStream {
  const output = new Matrix(context)
  const byLabels = new Map<string, KeptSeries>()
  const key = matchKeys(plan.matching)
  const left = new Presence(context.steps.count)
  for await (const series of context.query.run.vector(plan.lhs, context)) {
    checkAborted(context.query.signal)
    byLabels.set(labelsKey(series.labels), output.copy(series))
    left.add(key(series.labels), viewsOf(context, series.row).present, series.histograms)
  }
  for await (const series of context.query.run.vector(plan.rhs, context)) {
    checkAborted(context.query.signal)
    const views = viewsOf(context, series.row)
    const other = left.get(key(series.labels))
    if (other !== undefined) for (let i = 0; i < other.length; i++) views.present[i]! &= 1 - other[i]!
    const histograms = series.histograms?.map((histogram, i) => (other?.[i] === 1 ? undefined : histogram))
    if (!anyPresent(context, series.row) && !anyHistogram(histograms)) continue
    const labels = labelsKey(series.labels)
    const before = byLabels.get(labels)
    if (before === undefined) byLabels.set(labels, output.copy({ ...series, histograms }))
    else mergeInto(before, { ...views, histograms })
  }
  yield* emit(output, context)
}
