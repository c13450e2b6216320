// Group accumulators against their twins, bit for bit, on random rows.
import { expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'
import type { AccumulateFunction } from '../../../lib/kernels/kernels.ts'
import { accumulators } from '../../../lib/kernels/module.ts'
import { Random, seed } from '../../support/random.ts'
import { randomSeries, readRow, show, writeRow } from './series.ts'
import { accumulateTwin } from './twins/accumulate.ts'
import { type TwinRow, twinRow } from './twins/windows.ts'

const kernels = createKernels()

function randomRow(random: Random, steps: number): TwinRow {
  const row = twinRow(steps)
  const density = random.pick([0, 0.1, 0.9, 1, 1])
  const { values } = randomSeries(random, 200)
  const from = new BigUint64Array(values.buffer)
  const to = new BigUint64Array(row.values.buffer)
  // Also in stretches, so that sixteen steps are all there or all absent.
  const stretch = random.chance(0.5) ? 1 : 20
  for (let i = 0; i < steps; i++) {
    to[i] = from[i % Math.max(1, from.length)] ?? 0n
    row.present[i] = i % stretch === 0 ? Number(random.chance(density)) : row.present[i - 1]!
  }
  return row
}

test.each(Object.keys(accumulators) as AccumulateFunction[])(`%s equals its twin (SEED=${seed})`, (func) => {
  const random = new Random(seed)
  for (let round = 0; round < 400; round++) {
    const steps = random.below(70)
    const rows = Array.from({ length: random.below(12) }, () => randomRow(random, steps))
    const mark = kernels.mark()
    const accumulator = kernels.accumulator(func, steps)
    const row = kernels.row(steps)
    for (const from of rows) {
      writeRow(kernels, row, from)
      accumulator.add(row)
    }
    accumulator.finish(row)
    const anyNaN = func !== 'min' && func !== 'max'
    expect(show(readRow(kernels, row, steps), anyNaN)).toEqual(show(accumulateTwin(func, rows, steps), anyNaN))
    kernels.release(mark)
  }
})
