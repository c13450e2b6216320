// Quantiles and fractions of classic histograms: series of one signature but for their `le`, at each step.
// Specification: Prometheus 3.14, promql/functions.go (funcHistogramQuantile, funcHistogramFraction, resetHistograms).
// Owns the grouping into histograms and its annotations. (Native histograms would come beside the buckets here.)

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
  const histograms = classicHistograms(input.series, plan, context)
  const output = new Matrix(context)
  const byLabels = new Map<string, KeptSeries>()
  for (const { labels, compute } of outputs(plan, params, context)) {
    for (const histogram of histograms) {
      const result = evaluate(histogram, compute, context)
      const outputLabels = labels(histogram.labels)
      const key = labelsKey(outputLabels)
      let target = byLabels.get(key)
      if (target === undefined) {
        target = output.add(outputLabels, true)
        byLabels.set(key, target)
      }
      mergeInto(target, result)
    }
  }
  input.release()
  yield* emit(output, context)
}

/** Value of a histogram's buckets at a step. */
type Compute = (buckets: Bucket[], step: number) => number

interface Output {
  readonly labels: (histogram: Labels) => Labels
  readonly compute: Compute
}

function outputs(plan: HistogramPlan, params: readonly Float64Array[], context: Context): Output[] {
  const same = (labels: Labels) => labels
  if (plan.func === 'histogram_fraction') {
    const [lower, upper] = params as [Float64Array, Float64Array]
    return [{ labels: same, compute: (buckets, i) => bucketFraction(lower[i]!, upper[i]!, buckets) }]
  }
  return params.map((quantiles) => ({
    labels: plan.func === 'histogram_quantile' ? same : (labels) => labelled(labels, plan.label, quantiles[0]!),
    compute: (buckets, i) => quantileAt(buckets, quantiles[i]!, { plan, context, step: i }),
  }))
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
  { plan, context, step }: { plan: HistogramPlan; context: Context; step: number },
): number {
  const { value, forced } = bucketQuantile(phi, buckets)
  if (forced !== undefined) {
    const timeMs = stepTimeMs(context.steps, step)
    context.query.annotations.forcedMonotonicity('', plan.childPos, { timeMs, ...forced })
  }
  return value
}

function evaluate({ buckets }: ClassicHistogram, compute: Compute, context: Context) {
  const { count } = context.steps
  const values = new Float64Array(count)
  const present = new Uint8Array(count)
  for (let i = 0; i < count; i++) {
    const atStep: Bucket[] = []
    for (const { upperBound, series } of buckets) {
      if (series.present[i] === 1) atStep.push({ upperBound, count: series.values[i]! })
    }
    if (atStep.length === 0) continue
    values[i] = compute(atStep, i)
    present[i] = 1
  }
  return { values, present }
}

const bucketLabel: ReadonlySet<string> = new Set(['le'])
const bucketLabelAndName: ReadonlySet<string> = new Set([metricName, 'le'])

function classicHistograms(
  series: readonly KeptSeries[],
  plan: HistogramPlan,
  { query }: Context,
): readonly ClassicHistogram[] {
  const bySignature = new Map<string, ClassicHistogram>()
  for (const one of series) {
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
      const labels = withoutLabels(one.labels, bucketLabelAndName)
      histogram = { labels: query.delayedNameRemoval ? labels : withoutName(labels), buckets: [] }
      bySignature.set(signature, histogram)
    }
    histogram.buckets.push({ upperBound, series: one })
  }
  return [...bySignature.values()]
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
