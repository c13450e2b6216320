// The histogram samples of an aggregation's group: summed, averaged, counted or left out, beside the kernels' floats.
// Specification: Prometheus 3.14, promql/engine.go (aggregation).
// Owns the states at the steps at which the group has histograms, and what is said of mixed ones.

import { compact } from '../../histogram/histogram.ts'
import { HistogramTotal } from '../../histogram/mean.ts'
import type { Row } from '../../kernels/kernels.ts'
import { labelValue, metricName } from '../../labels/labels.ts'
import type { StreamingAggregateOp, VectorPlan } from '../plan/plan.ts'
import { anyHistogram, type Context, type SeriesRow, type StepHistograms, viewsOf } from './context.ts'

type AggregatePlan = Extract<VectorPlan, { kind: 'aggregate' }>

export interface GroupHistograms {
  /** Takes in a series' histograms; may write over its row, which the floats' accumulator reads next. */
  add(series: SeriesRow): void
  /** The group's histograms; the row holds what came of its floats, and is cleared where the two do not mix. */
  finish(row: Row): StepHistograms | undefined
}

/** Of a group whose floats so far are at the steps that `floats` tells, a byte a step. */
export function groupHistograms(plan: AggregatePlan, context: Context, floats: Uint8Array): GroupHistograms {
  return makers[plan.op](plan, context, floats)
}

type Maker = (plan: AggregatePlan, context: Context, floats: Uint8Array) => GroupHistograms

const makers: { readonly [K in StreamingAggregateOp]: Maker } = {
  sum: (plan, context, floats) => new SummedHistograms(plan, context, floats),
  avg: (plan, context, floats) => new SummedHistograms(plan, context, floats),
  count: countedHistograms,
  group: countedHistograms,
  min: ignoredHistograms,
  max: ignoredHistograms,
  stddev: ignoredHistograms,
  stdvar: ignoredHistograms,
}

/** Histograms count as floats do. */
function countedHistograms(_: AggregatePlan, context: Context): GroupHistograms {
  return {
    add({ row, histograms }) {
      const { values, present } = viewsOf(context, row)
      histograms?.forEach((histogram, i) => {
        if (histogram === undefined) return
        present[i] = 1
        values[i] = 1
      })
    },
    finish: () => undefined,
  }
}

function ignoredHistograms({ op, childPos }: AggregatePlan, { query }: Context): GroupHistograms {
  return {
    add({ histograms }) {
      if (anyHistogram(histograms)) query.annotations.histogramsIgnored(op, childPos)
    },
    finish: () => undefined,
  }
}

class SummedHistograms implements GroupHistograms {
  readonly #plan: AggregatePlan
  readonly #context: Context
  /** Steps at which a float came before any histogram. */
  readonly #floatsFirst: Uint8Array
  /** 'mixed' where a histogram came after a float: there will be no result, and histograms are not compared. */
  readonly #totals: (HistogramTotal | 'mixed' | undefined)[]
  /** Metrics of which a histogram had buckets that did not fit. */
  readonly #misfits = new Set<string>()
  #boundsReconciled = false

  constructor(plan: AggregatePlan, context: Context, floats: Uint8Array) {
    this.#plan = plan
    this.#context = context
    this.#floatsFirst = floats
    this.#totals = new Array(context.steps.count).fill(undefined)
  }

  add({ labels, row, histograms }: SeriesRow): void {
    const { present } = viewsOf(this.#context, row)
    for (let i = 0; i < present.length; i++) {
      const histogram = histograms?.[i]
      const total = this.#totals[i]
      if (histogram !== undefined) this.#addAt(i, histogram, labels)
      else if (total === undefined) this.#floatsFirst[i]! |= present[i]!
      // Once schemas did not fit, nothing more of the step counts.
      else if (total !== 'mixed' && total.findings.incompatible) present[i] = 0
    }
  }

  #addAt(step: number, histogram: NonNullable<StepHistograms[number]>, labels: SeriesRow['labels']): void {
    const total = this.#totals[step]
    if (total === undefined) {
      const average = this.#plan.op === 'avg'
      this.#totals[step] = this.#floatsFirst[step] === 1 ? 'mixed' : new HistogramTotal(histogram, { average })
      return
    }
    if (total === 'mixed' || total.findings.incompatible) return
    total.add(histogram)
    if (total.findings.incompatible) this.#misfits.add(labelValue(labels, metricName))
    this.#boundsReconciled ||= total.findings.boundsReconciled
  }

  finish(row: Row): StepHistograms {
    const { childPos } = this.#plan
    const { annotations } = this.#context.query
    // Not before: of equal texts the last one's position is told, and what is below has no more to say.
    for (const name of this.#misfits) annotations.mixedSchemas(name, childPos)
    if (this.#boundsReconciled) annotations.customBoundsReconciled('aggregation', childPos)
    const { present } = viewsOf(this.#context, row)
    return this.#totals.map((total, i) => {
      if (total === undefined) return undefined
      if (total === 'mixed' || present[i] === 1) {
        annotations.mixedInAggregation(childPos)
        present[i] = 0
        return undefined
      }
      if (total.findings.incompatible) return undefined
      if (total.findings.hintsCollide) annotations.counterResetsCollide('aggregation', childPos)
      return compact(total.result())
    })
  }
}
