// Functions over range vectors: all windows of a series over all steps in one kernel call.
// Specification: Prometheus 3.14, promql/engine.go (eval of calls with a matrix) and promql/functions.go.
// Owns parameters that vary by step, windows fixed by @, and the annotations of these functions.

import type { Row, SampleColumns, Steps } from '../../kernels/kernels.ts'
import { labelValue, metricName } from '../../labels/labels.ts'
import { checkExtended, type Extended } from '../plan/extended.ts'
import type { MatrixPlan, WindowPlan } from '../plan/plan.ts'
import {
  anyHistogram,
  anyPresent,
  type Context,
  executionError,
  type SeriesStream,
  type StepHistograms,
  stepTimeMs,
  viewsOf,
} from './context.ts'
import { evaluateExtended, floatSamples } from './extended.ts'
import { extendedOutcome } from './extended-histograms.ts'
import { refuseEqualLabels } from './matrix.ts'
import { dropName } from './names.ts'
import { freshFloats, freshHistograms, putOutcomes, type SeriesColumns, within } from './samples.ts'
import { readSeries, referenceSteps } from './selector.ts'
import { subquerySeries } from './subquery.ts'
import { windowHistograms } from './window-histograms.ts'
import { WindowTotals } from './window-totals.ts'

/** The series of a range vector, and the times that its windows end at: one a step, or one for all. */
export function openSource(
  source: MatrixPlan,
  context: Context,
  { isBare }: { isBare: boolean } = { isBare: false },
): { series: AsyncIterable<SeriesColumns>; reference: Steps; rangeMs: number } {
  const { rangeMs } = source
  if (source.kind === 'subquery') {
    return {
      series: subquerySeries(source, context, { isBare }),
      reference: referenceSteps(source, context.steps),
      rangeMs,
    }
  }
  const reference = referenceSteps(source.select, context.steps)
  return { series: readSeries(source.select, rangeMs, context), reference, rangeMs }
}

/** Series of a window function, without the name unless it keeps it. */
export function windowOperator(plan: WindowPlan, context: Context): SeriesStream {
  const stream = windowRows(plan, context)
  const apart = plan.keepsName || plan.oneName || context.query.delayedNameRemoval
  return apart ? stream : refuseEqualLabels(stream)
}

async function* windowRows(plan: WindowPlan, context: Context): SeriesStream {
  const { kernels, run } = context.query
  const params: Float64Array[] = []
  for (const param of plan.params) params.push(await run.scalar(param, context))
  if (plan.source.kind === 'range_selector') checkExtended(plan.source.select)
  const { series: source, reference, rangeMs } = openSource(plan.source, context)
  const call = new WindowCall(plan, { context, reference, rangeMs, params })
  const sums = new WindowCall({ ...plan, func: 'sum_over_time' }, { context, reference, rangeMs, params })
  const row = kernels.row(context.steps.count)
  let totals: WindowTotals | undefined
  const isSubquery = plan.source.kind === 'subquery'
  const extended = plan.source.kind === 'range_selector' ? plan.source.select.extended : undefined
  const windows = { reference, rangeMs, extended, lookbackMs: context.query.lookbackMs, isSubquery }
  for await (const series of source) {
    const { counts } = series
    context.stats?.addWindows(series, windows, { kernels, row })
    if (counts) totals ??= new WindowTotals(context, (summed, into) => sums.of(summed, into))
    const total = plan.func === 'count_over_time' ? 'count' : 'average'
    const histograms = counts ? totals?.[total](series, counts, row) : call.of(series, row)
    if (anyPresent(context, row)) call.annotate(series, row)
    else if (!anyHistogram(histograms)) continue
    if (plan.keepsName) yield { labels: series.labels, dropName: series.dropName, row, histograms }
    else yield { ...dropName(context, series), row, histograms }
  }
}

/** A window function with its times and parameters, ready for any number of series. */
class WindowCall {
  readonly #plan: WindowPlan
  readonly #context: Context
  readonly #reference: Steps
  readonly #rangeMs: number
  readonly #params: readonly Float64Array[]
  /** One kernel call does for all steps. */
  readonly #uniform: boolean
  readonly #namesSeen = new Set<string>()

  constructor(
    plan: WindowPlan,
    call: { context: Context; reference: Steps; rangeMs: number; params: readonly Float64Array[] },
  ) {
    this.#plan = plan
    this.#context = call.context
    this.#reference = call.reference
    this.#rangeMs = call.rangeMs
    const { count } = call.context.steps
    // What predict_linear predicts from is the evaluation time, which offset and @ put apart from the window's end.
    const distanceMs = (_: number, step: number) => stepTimeMs(call.context.steps, step) - this.#referenceAt(step)
    this.#params =
      plan.func === 'predict_linear' ? [...call.params, new Float64Array(count).map(distanceMs)] : call.params
    this.#uniform = call.reference.count === count && this.#params.every((p) => p.every((v) => Object.is(v, p[0])))
  }

  #referenceAt(step: number): number {
    return stepTimeMs(this.#reference, this.#reference.count === 1 ? 0 : step)
  }

  /** The series' floats into the row; its histograms by step, where it has any. */
  of(series: SeriesColumns, row: Row): StepHistograms | undefined {
    this.#evaluate(series, row)
    return series.histograms.length + series.starts.length === 0 ? undefined : this.#mixed(series, row)
  }

  #evaluate(series: SeriesColumns, row: Row): void {
    const { source } = this.#plan
    const { columns } = series
    const extended = source.kind === 'range_selector' ? source.select.extended : undefined
    if (extended !== undefined) {
      this.#evaluateExtended(extended, columns, row)
      return
    }
    this.#checkSmoothing(series, row)
    const { kernels } = this.#context.query
    if (this.#uniform) {
      const params = this.#params.map((p) => p[0]!)
      kernels.window(this.#plan.func, columns, this.#reference, this.#rangeMs, params, row)
      return
    }
    for (let i = 0; i < this.#context.steps.count; i++) {
      const at = { startMs: this.#referenceAt(i), stepMs: 1, count: 1 }
      const params = this.#params.map((p) => p[i]!)
      const cell = { valuesPtr: row.valuesPtr + 8 * i, presentPtr: row.presentPtr + i }
      kernels.window(this.#plan.func, columns, at, this.#rangeMs, params, cell)
    }
  }

  #evaluateExtended(extended: Extended, columns: SampleColumns, row: Row): void {
    const { lookbackMs } = this.#context.query
    const samples = floatSamples(columns)
    const { values, present } = viewsOf(this.#context, row)
    for (let i = 0; i < present.length; i++) {
      const endMs = this.#referenceAt(i)
      const range = { extended, startMs: endMs - this.#rangeMs, endMs, lookbackMs }
      const value = evaluateExtended(this.#plan.func, samples, range)
      present[i] = value === undefined ? 0 : 1
      values[i] = value ?? 0
    }
  }

  /** The series' histograms by step; the row's floats are changed where histograms or start timestamps have a say. */
  #mixed(series: SeriesColumns, row: Row): StepHistograms {
    const { func, pos, source } = this.#plan
    const [context, reference, rangeMs] = [this.#context, this.#reference, this.#rangeMs]
    const extended = source.kind === 'range_selector' ? source.select.extended : undefined
    if (extended === undefined) return windowHistograms({ func, pos, context, reference, rangeMs }, series, row)
    const { annotations, lookbackMs } = context.query
    const notes = { annotations, name: labelValue(series.labels, metricName), pos }
    const samples = { floats: freshFloats(series), points: freshHistograms(series) }
    return putOutcomes(viewsOf(context, row), reference, (endMs) => {
      const range = { extended, startMs: endMs - rangeMs, endMs, lookbackMs }
      return extendedOutcome(func, samples, range, notes)
    })
  }

  // An error only where there is a sample, be it a histogram, which nothing is done with, as in Prometheus.
  #checkSmoothing(series: SeriesColumns, row: Row): void {
    if (this.#plan.func !== 'double_exponential_smoothing') return
    const [smoothing, trend] = this.#params as [Float64Array, Float64Array]
    const outside = (v: number) => v <= 0 || v >= 1
    if (!smoothing.some(outside) && !trend.some(outside)) return
    const { present } = this.#presence(series.columns, row)
    const points = freshHistograms(series)
    for (let i = 0; i < present.length; i++) {
      const endMs = this.#referenceAt(i)
      if (present[i] === 0 && within(points, endMs - this.#rangeMs, endMs).length === 0) continue
      refuseFactor('smoothing', smoothing[i]!)
      refuseFactor('trend', trend[i]!)
    }
  }

  #presence(columns: SampleColumns, row: Row): { present: Uint8Array } {
    const { kernels } = this.#context.query
    const { count } = this.#context.steps
    const reference = {
      ...this.#reference,
      count,
      stepMs: this.#reference.count === count ? this.#reference.stepMs : 0,
    }
    kernels.window('present_over_time', columns, reference, this.#rangeMs, [], row)
    return viewsOf(this.#context, row)
  }

  annotate({ labels }: SeriesColumns, row: Row): void {
    const { func, pos } = this.#plan
    const { annotations } = this.#context.query
    if (func === 'rate' || func === 'increase') {
      const name = labelValue(labels, metricName)
      if (this.#context.query.typeAndUnitLabels) {
        const type = labelValue(labels, '__type__')
        if (name !== '' && type !== 'counter' && type !== 'histogram')
          annotations.possibleNonCounterType(name, type, pos)
        return
      }
      if (this.#namesSeen.has(name)) return
      this.#namesSeen.add(name)
      if (name !== '' && !/_(total|sum|count|bucket)$/.test(name)) annotations.possibleNonCounter(name, pos)
    } else if (func === 'quantile_over_time') {
      const quantiles = this.#params[0]!
      if (quantiles.every((q) => q >= 0 && q <= 1)) return
      const { present } = viewsOf(this.#context, row)
      quantiles.forEach((q, i) => {
        if (present[i] === 1 && !(q >= 0 && q <= 1)) annotations.invalidQuantile(q, pos)
      })
    }
  }
}

function refuseFactor(name: string, value: number): void {
  if (value <= 0 || value >= 1) {
    throw executionError(`invalid ${name} factor. Expected: 0 < ${name[0]}f < 1, got: ${value.toFixed(6)}`)
  }
}
