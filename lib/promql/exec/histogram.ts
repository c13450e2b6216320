// Quantiles and fractions of histograms: native ones, and classic ones, series of one signature but for their `le`.
// Specification: Prometheus 3.14, promql/functions.go (funcHistogramQuantile, funcHistogramFraction, resetHistograms).
// Owns the grouping into histograms and its annotations.

import type { Histogram } from '../../histogram/histogram.ts'
import {
  type Labels,
  labelsKey,
  labelsOf,
  labelValue,
  metricName,
  overlayLabels,
  withoutLabels,
} from '../../labels/labels.ts'
import { formatG, parseFloatGo } from '../functions/go-format.ts'
import { histogramFraction, histogramQuantile } from '../functions/histogram-estimate.ts'
import { type Bucket, bucketFraction, bucketQuantile } from '../functions/quantile.ts'
import type { HistogramPlan } from '../plan/plan.ts'
import { type Context, type SeriesStream, stepTimeMs } from './context.ts'
import { collect, emit, type KeptSeries, Matrix, mergeInto } from './matrix.ts'
import { withoutName } from './names.ts'

/** A classic histogram's series. */
interface ClassicHistogram {
  readonly labels: Labels
  readonly buckets: { readonly upperBound: number; readonly series: KeptSeries }[]
}

export async function* histogramOperator(plan: HistogramPlan, context: Context): SeriesStream {
  const params: Float64Array[] = []
  for (const param of plan.params) params.push(await context.query.run.scalar(param, context))
  const input = await collect(plan.child, context)
  annotateQuantiles(plan, params, context)
  const classic = classicHistograms(input.series, plan, context)
  const native = nativeHistograms(input.series, context)
  dropConflicts(native, classic, plan, context)
  const output = new Matrix(context)
  const byLabels = new Map<string, KeptSeries>()
  // As in Prometheus, which looks for equal labels at the query's end where names go then, but for steps one after the other.
  const mayBeEqual = context.query.delayedNameRemoval && context.instant
  const put = (labels: Labels, values: { values: Float64Array; present: Uint8Array }) => {
    const key = labelsKey(labels)
    const target = (mayBeEqual ? undefined : byLabels.get(key)) ?? output.add(labels, true)
    byLabels.set(key, target)
    mergeInto(target, { ...values, histograms: undefined })
  }
  for (const { labels, compute, computeNative, without } of outputs(plan, params, context)) {
    const show = (of: Labels, { values, present }: ReturnType<typeof evaluateNative>) => {
      if (without !== undefined) for (let i = 0; i < present.length; i++) if (without(i)) present[i] = 0
      put(labels(of), { values, present })
    }
    for (const one of native) show(one.labels, evaluateNative(one, computeNative))
    for (const one of classic.values()) show(one.labels, evaluate(one, compute, context))
  }
  input.release()
  yield* emit(output, context)
}

/** Value of a histogram's buckets at a step. */
type Compute = (buckets: Bucket[], step: number, metricName: string) => number
/** The same of a native histogram of a metric. */
type ComputeNative = (histogram: Histogram, step: number, metricName: string) => number

interface Output {
  /** Steps that it has no value at. */
  readonly without?: (step: number) => boolean
  readonly labels: (histogram: Labels) => Labels
  readonly compute: Compute
  readonly computeNative: ComputeNative
}

function outputs(plan: HistogramPlan, params: readonly Float64Array[], context: Context): Output[] {
  const same = (labels: Labels) => labels
  if (plan.func === 'histogram_fraction') {
    const [lower, upper] = params as [Float64Array, Float64Array]
    const compute: Compute = (buckets, i) => bucketFraction(lower[i]!, upper[i]!, buckets)
    const computeNative: ComputeNative = (histogram, i, name) => {
      const { value, nan } = histogramFraction(lower[i]!, upper[i]!, histogram)
      if (nan) context.query.annotations.nanObservations('fraction', name, plan.childPos)
      return value
    }
    return [{ labels: same, compute, computeNative }]
  }
  return params.flatMap((quantiles): Output[] => {
    const computeNative: ComputeNative = (histogram, i, name) => {
      const { value, nan } = histogramQuantile(quantiles[i]!, histogram)
      if (nan !== undefined) context.query.annotations.nanObservations(nan, name, plan.childPos)
      return value
    }
    const compute: Compute = (buckets, step, name) =>
      quantileAt(buckets, quantiles[step]!, { plan, context, step, name })
    if (plan.func === 'histogram_quantile') return [{ labels: same, compute, computeNative }]
    // The label tells φ, which may be another at each step.
    return [...new Set(quantiles)].map((quantile) => ({
      without: (step) => !sameValueZero(quantiles[step]!, quantile),
      labels: (labels) => labelled(labels, plan.label, quantile),
      compute,
      computeNative,
    }))
  })
}

// As a Set sees it.
function sameValueZero(a: number, b: number): boolean {
  return a === b || (Number.isNaN(a) && Number.isNaN(b))
}

function labelled(labels: Labels, name: string, quantile: number): Labels {
  return overlayLabels(labels, labelsOf([[name, formatOpenMetrics(quantile)]]))
}

// Whole numbers with ".0", as in an exposition's le and quantile labels.
function formatOpenMetrics(value: number): string {
  const text = formatG(value)
  return /^-?\d+$/.test(text) ? `${text}.0` : text
}

function quantileAt(
  buckets: Bucket[],
  phi: number,
  { plan, context, step, name }: { plan: HistogramPlan; context: Context; step: number; name: string },
): number {
  const { value, forced } = bucketQuantile(phi, buckets)
  if (forced !== undefined) {
    const timeMs = stepTimeMs(context.steps, step)
    context.query.annotations.forcedMonotonicity(name, plan.childPos, { timeMs, ...forced })
  }
  return value
}

function evaluate({ labels, buckets }: ClassicHistogram, compute: Compute, context: Context) {
  const { count } = context.steps
  const name = labelValue(labels, metricName)
  const values = new Float64Array(count)
  const present = new Uint8Array(count)
  for (let i = 0; i < count; i++) {
    const atStep: Bucket[] = []
    for (const { upperBound, series } of buckets) {
      if (series.present[i] === 1) atStep.push({ upperBound, count: series.values[i]! })
    }
    if (atStep.length === 0) continue
    values[i] = compute(atStep, i, name)
    present[i] = 1
  }
  return { values, present }
}

/** A native histogram's series. */
interface NativeHistogram {
  readonly labels: Labels
  /** Of the series' own labels: a classic histogram of the same signature is in its way. */
  readonly signature: string
  readonly metricName: string
  readonly histograms: (Histogram | undefined)[]
}

function nativeHistograms(series: readonly KeptSeries[], { query }: Context): NativeHistogram[] {
  return series.flatMap(({ labels: all, histograms }) => {
    if (histograms === undefined) return []
    const labels = query.delayedNameRemoval ? all : withoutName(all)
    return [{ labels, signature: labelsKey(all), metricName: labelValue(labels, metricName), histograms }]
  })
}

/** Where a metric is classic and native at once, neither is evaluated. */
function dropConflicts(
  native: readonly NativeHistogram[],
  classic: ReadonlyMap<string, ClassicHistogram>,
  plan: HistogramPlan,
  { query }: Context,
): void {
  for (const { signature, histograms, metricName: name } of native) {
    const buckets = classic.get(signature)?.buckets ?? []
    for (let i = 0; i < histograms.length && buckets.length > 0; i++) {
      if (histograms[i] === undefined || !buckets.some(({ series }) => series.present[i] === 1)) continue
      query.annotations.mixedClassicAndNative(name, plan.childPos)
      histograms[i] = undefined
      for (const { series } of buckets) series.present[i] = 0
    }
  }
}

function evaluateNative({ histograms, metricName: name }: NativeHistogram, compute: ComputeNative) {
  const values = new Float64Array(histograms.length)
  const present = new Uint8Array(histograms.length)
  histograms.forEach((histogram, i) => {
    if (histogram === undefined) return
    values[i] = compute(histogram, i, name)
    present[i] = 1
  })
  return { values, present }
}

const bucketLabel: ReadonlySet<string> = new Set(['le'])

function classicHistograms(
  series: readonly KeptSeries[],
  plan: HistogramPlan,
  { query }: Context,
): ReadonlyMap<string, ClassicHistogram> {
  const bySignature = new Map<string, ClassicHistogram>()
  for (const one of series) {
    if (one.histograms !== undefined && !one.present.includes(1)) continue
    const text = labelValue(one.labels, 'le')
    const upperBound = parseFloatGo(text)
    if (upperBound === undefined) {
      const name = query.delayedNameRemoval ? labelValue(one.labels, metricName) : ''
      query.annotations.badBucketLabel(name, text, plan.childPos)
      continue
    }
    const signature = labelsKey(withoutLabels(one.labels, bucketLabel))
    let histogram = bySignature.get(signature)
    if (histogram === undefined) {
      const labels = withoutLabels(one.labels, bucketLabel)
      histogram = { labels: query.delayedNameRemoval ? labels : withoutName(labels), buckets: [] }
      bySignature.set(signature, histogram)
    }
    histogram.buckets.push({ upperBound, series: one })
  }
  return bySignature
}

// φ out of range is worth a warning at any step, with or without a sample.
function annotateQuantiles(plan: HistogramPlan, params: readonly Float64Array[], { query }: Context): void {
  if (plan.func === 'histogram_fraction') return
  params.forEach((quantiles, n) => {
    for (const phi of new Set(quantiles)) {
      if (!(phi >= 0 && phi <= 1)) query.annotations.invalidQuantile(phi, plan.paramsPos[n]!)
    }
  })
}
