// Scalar expressions: one value at every step, as one array.
// Specification: Prometheus 3.14, promql/engine.go (scalarBinop) and promql/functions.go.
// Owns the operators that yield scalars.

import { scalarFunctions, scalarOperation } from '../functions/scalar-functions.ts'
import type { ScalarPlan } from '../plan/plan.ts'
import { type Context, stepTimeMs, viewsOf } from './context.ts'
import { SampleStats } from './sample-stats.ts'

type Operator<K extends ScalarPlan['kind']> = (
  plan: Extract<ScalarPlan, { kind: K }>,
  context: Context,
) => Promise<Float64Array>

/** One operator for each kind of scalar plan. */
export const scalarOperators: { readonly [K in ScalarPlan['kind']]: Operator<K> } = {
  number: async ({ value }, { steps }) => new Float64Array(steps.count).fill(value),
  time: async (_, { steps }) => new Float64Array(steps.count).map((_, i) => stepTimeMs(steps, i) / 1000),
  scalar_of: scalarOf,
  scalar_binary: scalarBinary,
  scalar_call: scalarCall,
  scalar_invariant: scalarInvariant,
}

// The value of the one sample at a step; NaN where there are none or more.
async function scalarOf(plan: Extract<ScalarPlan, { kind: 'scalar_of' }>, context: Context): Promise<Float64Array> {
  const result = new Float64Array(context.steps.count).fill(NaN)
  const samples = new Uint8Array(context.steps.count)
  for await (const { row } of context.query.run.vector(plan.child, context)) {
    const { values, present } = viewsOf(context, row)
    for (let i = 0; i < present.length; i++) {
      if (present[i] === 0) continue
      result[i] = samples[i] === 0 ? values[i]! : NaN
      samples[i] = 1
    }
  }
  return result
}

async function scalarBinary(
  { op, lhs, rhs }: Extract<ScalarPlan, { kind: 'scalar_binary' }>,
  context: Context,
): Promise<Float64Array> {
  const left = await context.query.run.scalar(lhs, context)
  const right = await context.query.run.scalar(rhs, context)
  const apply = scalarOperation(op)
  return left.map((value, i) => apply(value, right[i]!))
}

async function scalarCall(
  { func, args }: Extract<ScalarPlan, { kind: 'scalar_call' }>,
  context: Context,
): Promise<Float64Array> {
  const values: Float64Array[] = []
  for (const arg of args) values.push(await context.query.run.scalar(arg, context))
  const apply = scalarFunctions[func]!
  return new Float64Array(context.steps.count).map((_, i) => apply(...values.map((v) => v[i]!)))
}

async function scalarInvariant(
  { child }: Extract<ScalarPlan, { kind: 'scalar_invariant' }>,
  context: Context,
): Promise<Float64Array> {
  const steps = { ...context.steps, count: 1 }
  const stats = context.stats && new SampleStats(steps)
  const [value] = await context.query.run.scalar(child, { query: context.query, steps, instant: true, stats })
  if (stats) context.stats?.addInvariant(stats)
  return new Float64Array(context.steps.count).fill(value!)
}
