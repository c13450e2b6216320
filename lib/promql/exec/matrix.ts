// A vector's series over all steps, kept: what operators need that look at all series of a step.
// Specification: Prometheus 3.14, promql/engine.go (rangeEval, mergeSeriesWithSameLabelset).
// Owns the copies; a matrix holds its share of the query's sample budget until release().

import { type Labels, labelsKey } from '../../labels/labels.ts'
import type { VectorPlan } from '../plan/plan.ts'
import { type Context, checkAborted, duplicateSeries, type SeriesRow, type SeriesStream, viewsOf } from './context.ts'

/** A series on its own memory. */
export interface KeptSeries {
  readonly labels: Labels
  readonly dropName: boolean
  readonly values: Float64Array
  readonly present: Uint8Array
}

export class Matrix {
  readonly series: KeptSeries[] = []
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
  }

  /** A new series without any sample. */
  add(labels: Labels, dropName: boolean): KeptSeries {
    const { count } = this.#context.steps
    return this.#keep({ labels, dropName, values: new Float64Array(count), present: new Uint8Array(count) })
  }

  /** A copy of a borrowed row. */
  copy({ labels, dropName, row }: SeriesRow): KeptSeries {
    const { values, present } = viewsOf(this.#context, row)
    return this.#keep({ labels, dropName, values: values.slice(), present: present.slice() })
  }

  #keep(series: KeptSeries): KeptSeries {
    this.#context.query.samples.hold(this.#context.steps.count)
    this.series.push(series)
    return series
  }

  release(): void {
    this.#context.query.samples.drop(this.series.length * this.#context.steps.count)
    this.series.length = 0
  }
}

/** Runs a plan to its end. What it allocated in kernel memory is free again. */
export async function collect(plan: VectorPlan, context: Context): Promise<Matrix> {
  const { kernels, signal, run } = context.query
  const mark = kernels.mark()
  const matrix = new Matrix(context)
  for await (const series of run.vector(plan, context)) {
    checkAborted(signal)
    matrix.copy(series)
  }
  kernels.release(mark)
  return matrix
}

/** The kept series through one row, those without samples left out; the matrix is released at the end. */
export async function* emit(matrix: Matrix, context: Context, order?: readonly number[]): SeriesStream {
  const row = context.query.kernels.row(context.steps.count)
  try {
    for (const index of order ?? matrix.series.keys()) {
      const { labels, dropName, values, present } = matrix.series[index]!
      if (!present.includes(1)) continue
      const views = viewsOf(context, row)
      views.values.set(values)
      views.present.set(present)
      yield { labels, dropName, row }
    }
  } finally {
    matrix.release()
  }
}

/**
 * Series of equal labels as one. Throws `execution` where two of them have a value at one step.
 * For operators that change labels: what was apart may no longer be.
 */
export async function* mergeEqualLabels(stream: SeriesStream, context: Context): SeriesStream {
  const matrix = new Matrix(context)
  const byLabels = new Map<string, KeptSeries>()
  for await (const series of stream) {
    const key = labelsKey(series.labels)
    const before = byLabels.get(key)
    if (before === undefined) byLabels.set(key, matrix.copy(series))
    else mergeInto(before, viewsOf(context, series.row))
  }
  yield* emit(matrix, context)
}

/** Adds values to a series that has none at those steps; else throws `execution`. */
export function mergeInto(target: KeptSeries, from: { values: Float64Array; present: Uint8Array }): void {
  for (let i = 0; i < from.present.length; i++) {
    if (from.present[i] === 0) continue
    if (target.present[i] === 1) throw duplicateSeries()
    target.present[i] = 1
    target.values[i] = from.values[i]!
  }
}

/** Lets series pass whose labels were not there before; else throws `execution`, wherever their samples are. */
export async function* refuseEqualLabels(stream: SeriesStream): SeriesStream {
  const seen = new Set<string>()
  for await (const series of stream) {
    const key = labelsKey(series.labels)
    if (seen.has(key)) throw duplicateSeries()
    seen.add(key)
    yield series
  }
}
