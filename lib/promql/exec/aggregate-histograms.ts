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

export function groupHistograms(plan: AggregatePlan, context: Context): GroupHistograms {
  return makers[plan.op](plan, context)
}

type Maker = (plan: AggregatePlan, context: Context) => GroupHistograms

const makers: { readonly [K in StreamingAggregateOp]: Maker } = {
  sum: (plan, context) => new SummedHistograms(plan, context),
  avg: (plan, context) => new SummedHistograms(plan, context),
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
  readonly #totals: (HistogramTotal | undefined)[]

  constructor(plan: AggregatePlan, context: Context) {
    this.#plan = plan
    this.#context = context
    this.#totals = new Array(context.steps.count).fill(undefined)
  }

  add({ labels, row, histograms }: SeriesRow): void {
    const { present } = viewsOf(this.#context, row)
    for (let i = 0; i < present.length; i++) {
      const histogram = histograms?.[i]
      if (histogram !== undefined) this.#addAt(i, histogram, labels)
      // Once schemas did not fit, nothing more of the step counts.
      else if (this.#totals[i]?.findings.incompatible === true) present[i] = 0
    }
  }

  #addAt(step: number, histogram: NonNullable<StepHistograms[number]>, labels: SeriesRow['labels']): void {
    const total = this.#totals[step]
    if (total === undefined) {
      this.#totals[step] = new HistogramTotal(histogram, { average: this.#plan.op === 'avg' })
      return
    }
    if (total.findings.incompatible) return
    total.add(histogram)
    const { annotations } = this.#context.query
    if (total.findings.incompatible) annotations.mixedSchemas(labelValue(labels, metricName), this.#plan.childPos)
    if (total.findings.boundsReconciled) annotations.customBoundsReconciled('aggregation', this.#plan.childPos)
  }

  finish(row: Row): StepHistograms {
    const { annotations } = this.#context.query
    const { present } = viewsOf(this.#context, row)
    return this.#totals.map((total, i) => {
      if (total === undefined) return undefined
      if (present[i] === 1) {
        annotations.mixedInAggregation(this.#plan.childPos)
        present[i] = 0
        return undefined
      }
      if (total.findings.incompatible) return undefined
      if (total.findings.hintsCollide) annotations.counterResetsCollide('aggregation', this.#plan.childPos)
      return compact(total.result())
    })
  }
}
