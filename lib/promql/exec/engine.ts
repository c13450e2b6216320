// The engine's front: a query and its times in, its answer out.
// Specification: Prometheus 3.14, promql/engine.go (execEvalStmt); an instant query is a range query of one step.
// Owns a query's kernel memory from start to end, and the order of its answer.

import { type HistogramPoint, sampleWeight } from '../../histogram/histogram.ts'
import type { Kernels, SampleColumns, Steps } from '../../kernels/kernels.ts'
import { MnemoError } from '../../kit/errors.ts'
import { compareLabels } from '../../labels/labels.ts'
import type { Expr } from '../parse/ast.ts'
import { resolveDurations } from '../plan/durations.ts'
import { optimise, type Pass } from '../plan/optimise/passes.ts'
import type { MatrixPlan, QueryPlan, VectorPlan } from '../plan/plan.ts'
import { planQuery } from '../plan/planner.ts'
import type { Queryable } from '../queryable.ts'
import { Analysis } from './analysis.ts'
import { AnnotationSet } from './annotations.ts'
import {
  type Context,
  checkAborted,
  duplicateSeries,
  executionError,
  SampleBudget,
  stepTimeMs,
  viewsOf,
} from './context.ts'
import { extendSamples, floatSamples } from './extended.ts'
import { mergeEqualLabels } from './matrix.ts'
import { withoutName } from './names.ts'
import { runner } from './operators.ts'
import type { QueryResult, QuerySamples, QueryValue, ResultHistogram, ResultSample, ResultSeries } from './result.ts'
import { SampleStats } from './sample-stats.ts'
import { weightOf } from './selector.ts'
import { openSource } from './window.ts'

export interface ExecuteOptions {
  /** The query as it was asked: annotations tell positions in it. */
  readonly query: string
  readonly expr: Expr
  readonly startMs: number
  readonly endMs: number
  /** 0 or absent: an instant query at startMs. */
  readonly stepMs?: number
  /** 5 minutes unless told. */
  readonly lookbackMs?: number
  readonly queryable: Queryable
  /** The query's alone until the promise settles; its memory is then as it was. */
  readonly kernels: Kernels
  readonly signal: AbortSignal
  /** Samples held at one time; 50 million unless told. */
  readonly maxSamples?: number
  /** Metric names go when the query ends (Prometheus's feature flag promql-delayed-name-removal). */
  readonly delayedNameRemoval?: boolean
  /** Start timestamps count in rate() and its like (use-start-timestamps). */
  readonly startTimestamps?: boolean
  /** Labels tell a metric's type and unit (type-and-unit-labels). */
  readonly typeAndUnitLabels?: boolean
  /** The result tells what each operator did. */
  readonly analyze?: boolean
  /** The result tells how many samples each step looked at, as Prometheus counts them: without the optimiser. */
  readonly countSamples?: boolean
  /** What the optimiser does with the plan; all of its passes unless told. */
  readonly passes?: readonly Pass[]
  /** Step of subqueries that name none; a minute unless told. */
  readonly defaultSubqueryStepMs?: (rangeMs: number) => number
}

/** What decides a query's plan. */
export type PlannedQuery = Pick<
  ExecuteOptions,
  'query' | 'expr' | 'startMs' | 'endMs' | 'stepMs' | 'startTimestamps' | 'passes'
>

const minuteMs = 60_000
const kernelsInUse = new WeakSet<Kernels>()

/**
 * Runs a query. Throws `bad_data` for an expression that cannot be evaluated as asked, `execution` for one that this data
 * refuses, `unsupported` (by name) for functions and chunks that this version does not read, `canceled` once aborted.
 */
export async function execute(options: ExecuteOptions): Promise<QueryResult> {
  const { kernels, query } = options
  if (kernelsInUse.has(kernels)) {
    throw new MnemoError('internal', 'cannot run query: got kernels that another query uses, want kernels of its own')
  }
  kernelsInUse.add(kernels)
  const mark = kernels.mark()
  try {
    const analysis = options.analyze ? new Analysis() : undefined
    const context = createContext(options, analysis)
    const plan = planOf(options.countSamples ? { ...options, passes: [] } : options)
    const value = await evaluate(plan, options, context)
    const texts = context.query.annotations.texts(query)
    const counts = context.stats && { sampleCounts: samplesOf(context.stats, context.query.samples.peak) }
    return { ...value, ...texts, ...counts, ...(analysis && { analysis: analysis.of(plan) }) }
  } finally {
    kernels.release(mark)
    kernelsInUse.delete(kernels)
  }
}

function createContext(options: ExecuteOptions, analysis: Analysis | undefined): Context {
  const { queryable, kernels, signal } = options
  return {
    steps: stepsOf(options),
    instant: (options.stepMs ?? 0) <= 0 || options.startMs === options.endMs,
    stats: options.countSamples ? new SampleStats(stepsOf(options)) : undefined,
    query: {
      run: analysis?.runner(runner) ?? runner,
      queryable,
      kernels,
      signal,
      lookbackMs: options.lookbackMs ?? 5 * minuteMs,
      annotations: new AnnotationSet(),
      analysis,
      samples: new SampleBudget(options.maxSamples ?? 50_000_000),
      delayedNameRemoval: options.delayedNameRemoval ?? false,
      typeAndUnitLabels: options.typeAndUnitLabels ?? false,
      defaultSubqueryStepMs: options.defaultSubqueryStepMs ?? (() => minuteMs),
    },
  }
}

function samplesOf({ steps, total, read }: SampleStats, peak: number): QuerySamples {
  return { times: allTimes(steps), total, read, peak }
}

function stepsOf({ startMs, endMs, stepMs = 0 }: ExecuteOptions): Steps {
  if (stepMs <= 0) return { startMs, stepMs: 1, count: 1 }
  if (endMs < startMs) throw new MnemoError('bad_data', `cannot run query: got end ${endMs}, want at least ${startMs}`)
  return { startMs, stepMs, count: Math.floor((endMs - startMs) / stepMs) + 1 }
}

/** The plan that a query is run by. Throws as execute() does before it reads any data. */
export function planOf(options: PlannedQuery): QueryPlan {
  const { query, startMs, stepMs = 0, startTimestamps = false } = options
  const endMs = stepMs <= 0 ? startMs : options.endMs
  const expr = resolveDurations(options.expr, { query, stepMs, rangeMs: endMs - startMs })
  return optimise(planQuery(expr, { startMs, endMs, stepMs, startTimestamps }), options.passes)
}

async function evaluate(plan: QueryPlan, options: ExecuteOptions, context: Context): Promise<QueryValue> {
  const { startMs, stepMs = 0 } = options
  const instant = stepMs <= 0
  switch (plan.type) {
    case 'scalar': {
      const values = await context.query.run.scalar(plan.plan, context)
      if (instant) return { type: 'scalar', timeMs: startMs, value: values[0]! }
      return { type: 'matrix', series: [{ labels: [], times: allTimes(context.steps), values }] }
    }
    case 'vector':
      if (instant) return { type: 'vector', samples: await evaluateVector(plan.plan, context) }
      return { type: 'matrix', series: await evaluateRange(plan.plan, context) }
    case 'matrix':
      if (!instant) throw notForRange('range vector')
      return { type: 'matrix', series: await evaluateMatrix(plan.plan, context) }
    case 'string':
      if (!instant) throw notForRange('string')
      return { type: 'string', timeMs: startMs, value: plan.value }
    default:
      return plan satisfies never
  }
}

function notForRange(type: string): MnemoError {
  const text = `invalid expression type "${type}" for range query, must be Scalar or instant Vector`
  return new MnemoError('bad_data', text)
}

function allTimes(steps: Steps): Float64Array {
  return new Float64Array(steps.count).map((_, i) => stepTimeMs(steps, i))
}

/** The series of a plan, names that were only marked now gone. */
async function* finished(plan: VectorPlan, context: Context) {
  const { query } = context
  const stream = query.run.vector(plan, context)
  yield* query.delayedNameRemoval ? mergeEqualLabels(dropMarkedNames(stream), context) : stream
}

async function* dropMarkedNames(stream: ReturnType<typeof runner.vector>) {
  for await (const series of stream) {
    yield series.dropName ? { ...series, labels: withoutName(series.labels) } : series
  }
}

async function evaluateVector(plan: VectorPlan, context: Context): Promise<ResultSample[]> {
  const { query, steps } = context
  const samples: ResultSample[] = []
  for await (const { labels, row, histograms } of finished(plan, context)) {
    checkAborted(query.signal)
    const histogram = histograms?.[0]
    query.samples.hold(histogram === undefined ? 1 : sampleWeight(histogram))
    const timeMs = steps.startMs
    if (histogram !== undefined) samples.push({ labels, timeMs, value: NaN, histogram })
    else samples.push({ labels, timeMs, value: viewsOf(context, row).values[0]! })
  }
  return samples
}

async function evaluateRange(plan: VectorPlan, context: Context): Promise<ResultSeries[]> {
  const { query, steps } = context
  const series: ResultSeries[] = []
  const times = allTimes(steps)
  for await (const { labels, row, histograms } of finished(plan, context)) {
    checkAborted(query.signal)
    const { values, present } = viewsOf(context, row)
    const points = presentPoints(times, values, present)
    query.samples.hold(points.times.length)
    const at = (histograms ?? []).map((histogram, i) => ({ timeMs: times[i]!, histogram }))
    series.push({ labels, ...points, ...heldHistograms(at, query.samples) })
  }
  return sortedByLabels(series)
}

/** The histograms among the points, counted among the query's samples; no field at all where there are none. */
function heldHistograms(points: readonly HistogramPoint[], samples: SampleBudget) {
  const histograms: ResultHistogram[] = []
  for (const { timeMs, histogram } of points) {
    if (histogram === undefined) continue
    samples.hold(sampleWeight(histogram))
    histograms.push({ timeMs, histogram })
  }
  return histograms.length === 0 ? {} : { histograms }
}

function presentPoints(times: Float64Array, values: Float64Array, present: Uint8Array) {
  let count = 0
  for (let i = 0; i < present.length; i++) count += present[i]!
  if (count === present.length) return { times, values: values.slice() }
  const points = { times: new Float64Array(count), values: new Float64Array(count) }
  for (let i = 0, to = 0; to < count; i++) {
    if (present[i] === 0) continue
    points.times[to] = times[i]!
    points.values[to++] = values[i]!
  }
  return points
}

function sortedByLabels(series: ResultSeries[]): ResultSeries[] {
  series.sort((a, b) => compareLabels(a.labels, b.labels))
  for (let i = 1; i < series.length; i++) {
    if (compareLabels(series[i - 1]!.labels, series[i]!.labels) === 0) throw duplicateSeries()
  }
  return series
}

/** A bare range vector: samples as they are stored, or a subquery's. */
async function evaluateMatrix(plan: MatrixPlan, context: Context): Promise<ResultSeries[]> {
  const { query } = context
  const series: ResultSeries[] = []
  const { series: source, reference, rangeMs } = openSource(plan, context, { isBare: true })
  const endMs = reference.startMs
  const startMs = endMs - rangeMs
  const extended = plan.kind === 'range_selector' ? plan.select.extended : undefined
  for await (const { labels, dropName, columns, histograms } of source) {
    const points = extended
      ? extendSamples(floatSamples(columns), { extended, startMs, endMs, lookbackMs: query.lookbackMs })
      : samplesWithin(columns, startMs, endMs)
    const fromMs = extended ? startMs - query.lookbackMs : startMs
    const toMs = extended === 'smoothed' ? endMs + query.lookbackMs : endMs
    const within = histograms.filter(({ timeMs }) => timeMs > fromMs && timeMs <= toMs)
    if (extended !== undefined && within.some(({ histogram }) => histogram !== undefined))
      throw executionError(`${extended} modifier is not supported with histograms`)
    const held = heldHistograms(within, query.samples)
    if (points.times.length === 0 && held.histograms === undefined) continue
    query.samples.hold(points.times.length)
    if (plan.kind === 'range_selector') context.stats?.add(0, points.times.length + weightOf(within))
    series.push({ labels: dropName && query.delayedNameRemoval ? withoutName(labels) : labels, ...points, ...held })
  }
  return sortedByLabels(series)
}

const staleBits = 0x7ff0000000000002n

/** Samples after one time and up to another, stale markers left out. */
function samplesWithin(columns: SampleColumns, afterMs: number, endMs: number) {
  const times = columns.times()
  const values = columns.values()
  const bits = columns.valueBits()
  const keep = (_: number, i: number) =>
    times[i]! > afterMs && times[i]! <= endMs && (!Number.isNaN(values[i]!) || bits[i] !== staleBits)
  return { times: times.filter(keep), values: values.filter(keep) }
}

/** Runs each kernel once over a few samples, so that a worker's first query finds them compiled. */
export function warmUp(kernels: Kernels): void {
  const mark = kernels.mark()
  const columns = kernels.columns()
  for (let i = 0; i < 64; i++) columns.push(i * 15_000, i)
  const steps = { startMs: 0, stepMs: 15_000, count: 64 }
  const row = kernels.row(steps.count)
  kernels.lookback(columns, steps, 5 * minuteMs, row)
  for (const func of ['rate', 'increase', 'sum_over_time', 'avg_over_time', 'max_over_time'] as const) {
    kernels.window(func, columns, steps, 5 * minuteMs, [], row)
  }
  for (const func of ['sum', 'avg', 'count', 'min', 'max'] as const) {
    const accumulator = kernels.accumulator(func, steps.count)
    accumulator.add(row)
    accumulator.finish(row)
  }
  columns.free()
  kernels.release(mark)
}
