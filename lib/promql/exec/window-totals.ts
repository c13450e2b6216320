// count_over_time and avg_over_time of downsampled series, where a window of the data is many samples: counts are added up,
// and sums divided by them, over all of the range.
// Owns the row of counts.

import { divide } from '../../histogram/scale.ts'
import type { Row, SampleColumns } from '../../kernels/kernels.ts'
import { type Context, type StepHistograms, viewsOf } from './context.ts'
import type { SeriesColumns } from './samples.ts'

/** sum_over_time of a series: floats into the row, histograms by step where there are any. */
type SumOverTime = (series: SeriesColumns, row: Row) => StepHistograms | undefined

export class WindowTotals {
  readonly #context: Context
  readonly #sumOverTime: SumOverTime
  readonly #counts: Row

  /** One a query's function: its row lives as long as the query. */
  constructor(context: Context, sumOverTime: SumOverTime) {
    this.#context = context
    this.#sumOverTime = sumOverTime
    this.#counts = context.query.kernels.row(context.steps.count)
  }

  count(series: SeriesColumns, counts: SampleColumns, row: Row): undefined {
    this.#sumOverTime({ ...series, columns: counts, histograms: [] }, row)
  }

  average(series: SeriesColumns, counts: SampleColumns, row: Row): StepHistograms | undefined {
    this.count(series, counts, this.#counts)
    const histograms = this.#sumOverTime(series, row)
    const divisors = viewsOf(this.#context, this.#counts).values
    const { values, present } = viewsOf(this.#context, row)
    for (let i = 0; i < present.length; i++) if (present[i] === 1) values[i]! /= divisors[i]!
    return histograms?.map((histogram, i) => histogram && divide(histogram, divisors[i]!))
  }
}
