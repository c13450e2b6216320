// Twin of the accumulators in plain TypeScript: one group's state at one step.
// Specification: Prometheus 3.14, promql/engine.go (aggregation).
import type { AccumulateFunction } from '../../../../lib/kernels/kernels.ts'
import { KahanSum } from './kahan.ts'
import { type TwinRow, twinRow } from './windows.ts'

/** The group's row over the rows of its series, in their order. */
export function accumulateTwin(func: AccumulateFunction, rows: readonly TwinRow[], steps: number): TwinRow {
  const out = twinRow(steps)
  const outBits = new BigUint64Array(out.values.buffer)
  for (let i = 0; i < steps; i++) {
    const there = rows.filter((row) => row.present[i] === 1)
    if (there.length === 0) continue
    out.present[i] = 1
    const values = there.map((row) => row.values[i]!)
    if (func === 'min' || func === 'max') {
      const best = extreme(values, func === 'max')
      outBits[i] = new BigUint64Array(there[best]!.values.buffer)[i]!
    } else out.values[i] = definitions[func](values)
  }
  return out
}

function extreme(values: number[], greatest: boolean): number {
  let best = 0
  for (const [i, x] of values.entries()) {
    const kept = values[best]!
    if (i > 0 && ((greatest ? kept < x : kept > x) || Number.isNaN(kept))) best = i
  }
  return best
}

const definitions: Record<Exclude<AccumulateFunction, 'min' | 'max'>, (values: number[]) => number> = {
  sum: (values) => {
    const total = new KahanSum(values[0]!)
    for (const x of values.slice(1)) total.add(x)
    return total.sum + total.c
  },
  avg: average,
  count: (values) => values.length,
  group: () => 1,
  stddev: (values) => Math.sqrt(squares(values) / values.length),
  stdvar: (values) => squares(values) / values.length,
}

function average(values: number[]): number {
  let total = new KahanSum(values[0]!)
  let mean: KahanSum | undefined
  for (let count = 2; count <= values.length; count++) {
    const x = values[count - 1]!
    if (mean === undefined) {
      const next = new KahanSum(total.sum, total.c)
      next.add(x)
      if (Math.abs(next.sum) !== Infinity) {
        total = next
        continue
      }
      mean = new KahanSum(total.sum / (count - 1), total.c / (count - 1))
    }
    const q = (count - 1) / count
    mean = new KahanSum(q * mean.sum, q * mean.c)
    mean.add(x / count)
  }
  if (mean !== undefined) return mean.sum + mean.c
  return total.sum / values.length + total.c / values.length
}

function squares(values: number[]): number {
  const first = values[0]!
  let mean = first
  let total = Number.isFinite(first) ? 0 : Number.NaN
  for (let count = 2; count <= values.length; count++) {
    const x = values[count - 1]!
    const difference = x - mean
    mean += difference / count
    total += difference * (x - mean)
  }
  return total
}
