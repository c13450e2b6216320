// absent and absent_over_time: 1 at the steps at which an expression has no sample; and what yields nothing for floats.
// Specification: Prometheus 3.14, promql/functions.go (funcAbsent) and promql/engine.go (absent_over_time).
// Owns one byte a step.

import type { Labels } from '../../labels/labels.ts'
import type { VectorPlan } from '../plan/plan.ts'
import { type Context, type SeriesStream, viewsOf } from './context.ts'
import { mapDroppingName } from './names.ts'
import { windowOperator } from './window.ts'

type PlanOf<K> = Extract<VectorPlan, { kind: K }>

export function absentOperator(plan: PlanOf<'absent'>, context: Context): SeriesStream {
  return absence(context.query.run.vector(plan.child, context), plan.labels, context)
}

export function absentOverTimeOperator({ source, labels }: PlanOf<'absent_over_time'>, context: Context): SeriesStream {
  const present = windowOperator(
    {
      kind: 'window',
      func: 'present_over_time',
      source,
      params: [],
      // Which series they are is of no interest, nor whether two would be one without the name.
      keepsName: true,
      oneName: true,
      pos: { start: 0, end: 0 },
    },
    context,
  )
  return absence(present, labels, context)
}

async function* absence(stream: SeriesStream, labels: Labels, context: Context): SeriesStream {
  const { count } = context.steps
  const seen = new Uint8Array(count)
  for await (const { row, histograms } of stream) {
    const { present } = viewsOf(context, row)
    for (let i = 0; i < count; i++) seen[i]! |= present[i]!
    histograms?.forEach((histogram, i) => {
      if (histogram !== undefined) seen[i] = 1
    })
  }
  if (!seen.includes(0)) return
  const row = context.query.kernels.row(count)
  const { values, present } = viewsOf(context, row)
  values.fill(1)
  for (let i = 0; i < count; i++) present[i] = 1 - seen[i]!
  yield { labels, dropName: false, row }
}

/** Reads its argument, for the errors that this may have, and yields nothing. */
export function nothingOperator(plan: PlanOf<'nothing'>, context: Context): SeriesStream {
  return mapDroppingName(context.query.run.vector(plan.child, context), { context, oneName: true }, () => false)
}
