// A vector's series over all steps, kept: what operators need that look at all series of a step.
// Specification: Prometheus 3.14, promql/engine.go (rangeEval, mergeSeriesWithSameLabelset).
// Owns the copies; a matrix holds its share of the query's sample budget until release().

import { type Histogram, sampleWeight } from '../../histogram/histogram.ts'
import { type Labels, labelsKey } from '../../labels/labels.ts'
import type { VectorPlan } from '../plan/plan.ts'
import {
  anyHistogram,
  type Context,
  checkAborted,
  duplicateSeries,
  type SeriesRow,
  type SeriesStream,
  type StepHistograms,
  viewsOf,
} from './context.ts'

/** A series on its own memory. */
export interface KeptSeries {
  readonly labels: Labels
  readonly dropName: boolean
  readonly values: Float64Array
  readonly present: Uint8Array
  /** As in SeriesRow. */
  histograms: (Histogram | undefined)[] | undefined
}

export class Matrix {
  readonly series: KeptSeries[] = []
  readonly #context: Context
  #held = 0

  constructor(context: Context) {
    this.#context = context
  }

  /** A new series without any sample. */
  add(labels: Labels, dropName: boolean): KeptSeries {
    const { count } = this.#context.steps
    const [values, present] = [new Float64Array(count), new Uint8Array(count)]
    return this.#keep({ labels, dropName, values, present, histograms: undefined })
  }

  /** A copy of a borrowed row. */
  copy({ labels, dropName, row, histograms }: SeriesRow): KeptSeries {
    const { values, present } = viewsOf(this.#context, row)
    const copies = { values: values.slice(), present: present.slice(), histograms: histograms?.slice() }
    return this.#keep({ labels, dropName, ...copies })
  }

  #keep(series: KeptSeries): KeptSeries {
    const weight = this.#context.steps.count + weightOf(series.histograms)
    this.#context.query.samples.hold(weight)
    this.#held += weight
    this.series.push(series)
    return series
  }

  release(): void {
    this.#context.query.samples.drop(this.#held)
    this.#held = 0
    this.series.length = 0
  }
}

function weightOf(histograms: StepHistograms | undefined): number {
  let weight = 0
  for (const histogram of histograms ?? []) if (histogram !== undefined) weight += sampleWeight(histogram)
  return weight
}

/** Runs a plan to its end. What it allocated in kernel memory is free again. */
export function collect(plan: VectorPlan, context: Context): Promise<Matrix> {
  return collectStream(context.query.run.vector(plan, context), context)
}

/** The same of a stream that has not begun. */
export async function collectStream(stream: SeriesStream, context: Context): Promise<Matrix> {
  const { kernels, signal } = context.query
  const mark = kernels.mark()
  const matrix = new Matrix(context)
  for await (const series of stream) {
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
      const { labels, dropName, values, present, histograms } = matrix.series[index]!
      if (!present.includes(1) && !anyHistogram(histograms)) continue
      const views = viewsOf(context, row)
      views.values.set(values)
      views.present.set(present)
      yield { labels, dropName, row, histograms }
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
    else mergeInto(before, { ...viewsOf(context, series.row), histograms: series.histograms })
  }
  yield* emit(matrix, context)
}

/** Adds values to a series that has none at those steps; else throws `execution`. */
export function mergeInto(
  target: KeptSeries,
  from: { values: Float64Array; present: Uint8Array; histograms: StepHistograms | undefined },
): void {
  for (let i = 0; i < from.present.length; i++) {
    if (from.present[i] === 0) continue
    if (hasSample(target, i)) throw duplicateSeries()
    target.present[i] = 1
    target.values[i] = from.values[i]!
  }
  from.histograms?.forEach((histogram, i) => {
    if (histogram === undefined) return
    if (hasSample(target, i)) throw duplicateSeries()
    setHistogram(target, i, histogram)
  })
}

export function hasSample({ present, histograms }: KeptSeries, step: number): boolean {
  return present[step] === 1 || histograms?.[step] !== undefined
}

/** Gives a kept series a histogram at a step that has no float. */
export function setHistogram(target: KeptSeries, step: number, histogram: Histogram): void {
  target.histograms ??= new Array(target.present.length).fill(undefined)
  target.histograms[step] = histogram
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
