// Operators that work on each sample by itself: functions of the value, arithmetic with a scalar, negation, time.
// Specification: Prometheus 3.14, promql/engine.go (VectorscalarBinop) and promql/functions.go (simpleFloatFunc).
// Owns no memory: they write over the row that they borrow.

import type { Histogram } from '../../histogram/histogram.ts'
import { multiply } from '../../histogram/scale.ts'
import { arithmetic, comparisons, isTrim } from '../functions/operators.ts'
import { valueFunctions } from '../functions/value-functions.ts'
import { keepsName } from '../plan/names.ts'
import type { MapPlan, ScalarPlan, VectorPlan, VectorScalarPlan } from '../plan/plan.ts'
import type { SampleType } from './annotations.ts'
import { anyPresent, type Context, type SeriesRow, type SeriesStream, stepTimeMs, viewsOf } from './context.ts'
import { histogramsWithScalar } from './histogram-binary.ts'
import { changeDroppingName, changeSeries, mapDroppingName } from './names.ts'

/** A function of the value, with scalar parameters at each step. */
export async function* mapOperator(plan: MapPlan, context: Context): SeriesStream {
  const { run } = context.query
  const stream = run.vector(plan.child, context)
  const params: Float64Array[] = []
  for (const param of plan.params) params.push(await run.scalar(param, context))
  const apply = plan.func === 'clamp' ? clampInPlace(params, context) : mapInPlace(plan.func, params, context)
  yield* mapDroppingName(stream, { context, oneName: plan.oneName }, apply)
}

type InPlace = (series: SeriesRow) => boolean

function mapInPlace(name: string, params: readonly Float64Array[], context: Context): InPlace {
  const func = valueFunctions[name]!
  const [first, second] = params
  return ({ row }) => {
    const { values } = viewsOf(context, row)
    if (first === undefined) for (let i = 0; i < values.length; i++) values[i] = func(values[i]!)
    else for (let i = 0; i < values.length; i++) values[i] = func(values[i]!, first[i], second?.[i])
    return true
  }
}

// Where the bounds are crossed there is no value at all.
function clampInPlace(params: readonly Float64Array[], context: Context): InPlace {
  const [min, max] = params as [Float64Array, Float64Array]
  const clamp = mapInPlace('clamp', params, context)
  return (series) => {
    clamp(series)
    const { present } = viewsOf(context, series.row)
    for (let i = 0; i < present.length; i++) if (max[i]! < min[i]!) present[i] = 0
    return present.includes(1)
  }
}

export function negateOperator(plan: Extract<VectorPlan, { kind: 'negate' }>, context: Context): SeriesStream {
  const stream = context.query.run.vector(plan.child, context)
  const negated = (histogram: Histogram | undefined) => histogram && multiply(histogram, -1)
  return changeDroppingName(stream, { context, oneName: plan.oneName }, (series) => {
    const { values } = viewsOf(context, series.row)
    for (let i = 0; i < values.length; i++) values[i] = -values[i]!
    return { ...series, histograms: series.histograms?.map(negated) }
  })
}

/** timestamp() of anything but a selector: the evaluation time. */
export function timestampOperator(plan: Extract<VectorPlan, { kind: 'timestamp' }>, context: Context): SeriesStream {
  const stream = context.query.run.vector(plan.child, context)
  return mapDroppingName(stream, { context, oneName: plan.oneName }, ({ row, histograms }) => {
    const { values, present } = viewsOf(context, row)
    for (let i = 0; i < values.length; i++) values[i] = stepTimeMs(context.steps, i) / 1000
    if (histograms !== undefined)
      for (let i = 0; i < values.length; i++) if (histograms[i] !== undefined) present[i] = 1
    return true
  })
}

/** vector(): a scalar as a series without labels. */
export async function* vectorOfOperator({ scalar }: { scalar: ScalarPlan }, context: Context): SeriesStream {
  const scalars = await context.query.run.scalar(scalar, context)
  const row = context.query.kernels.row(context.steps.count)
  const { values, present } = viewsOf(context, row)
  values.set(scalars)
  present.fill(1)
  yield { labels: [], dropName: false, row }
}

/** A vector and a scalar. Comparisons filter; they keep the vector's value on whichever side it stands. */
export async function* vectorScalarOperator(plan: VectorScalarPlan, context: Context): SeriesStream {
  const { run } = context.query
  const scalars = await run.scalar(plan.scalar, context)
  const stream = run.vector(plan.vector, context)
  if (isTrim(plan.op) && plan.swapped) {
    await noteUntrimmable(stream, plan, context)
    return
  }
  const apply = operation(plan, scalars, context)
  const change = (series: SeriesRow): SeriesRow | undefined => {
    if (series.histograms === undefined) return apply(series) ? series : undefined
    const histograms = histogramsWithScalar(plan, { histograms: series.histograms, scalars }, context)
    if (anyPresent(context, series.row)) apply(series)
    return { ...series, histograms }
  }
  const drops = keepsName(plan.op, plan.bool) ? undefined : { context, oneName: plan.oneName }
  yield* drops === undefined ? changeSeries(stream, context, change) : changeDroppingName(stream, drops, change)
}

/** Nothing trims a scalar. Of what is wrong at a step, the last sample is told, as in Prometheus. */
async function noteUntrimmable(stream: SeriesStream, { op, pos }: VectorScalarPlan, context: Context): Promise<void> {
  const last: SampleType[] = []
  for await (const { row, histograms } of stream) {
    const { present } = viewsOf(context, row)
    for (let i = 0; i < present.length; i++) {
      if (histograms?.[i] !== undefined) last[i] = 'histogram'
      else if (present[i] === 1) last[i] = 'float'
    }
  }
  for (const rhs of new Set(Object.values(last))) {
    context.query.annotations.operandTypes({ lhs: 'float', op, rhs }, pos)
  }
}

function operation(plan: VectorScalarPlan, scalars: Float64Array, context: Context): InPlace {
  const { op, swapped, bool } = plan
  if (isTrim(op)) {
    return ({ row }) => {
      context.query.annotations.operandTypes({ lhs: 'float', op, rhs: 'float' }, plan.pos)
      viewsOf(context, row).present.fill(0)
      return false
    }
  }
  const compute = arithmetic[op]
  if (compute !== undefined) {
    return ({ row }) => {
      const { values } = viewsOf(context, row)
      if (swapped) for (let i = 0; i < values.length; i++) values[i] = compute(scalars[i]!, values[i]!)
      else for (let i = 0; i < values.length; i++) values[i] = compute(values[i]!, scalars[i]!)
      return true
    }
  }
  const compare = comparisons[op]!
  const holds = swapped ? (v: number, s: number) => compare(s, v) : compare
  return ({ row }) => {
    const { values, present } = viewsOf(context, row)
    for (let i = 0; i < values.length; i++) {
      const kept = holds(values[i]!, scalars[i]!)
      if (bool) values[i] = kept ? 1 : 0
      else if (!kept) present[i] = 0
    }
    return bool || anyPresent(context, row)
  }
}
