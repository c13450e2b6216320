// Window kernels and the instant selector against their twins, bit for bit, on random series.
import { expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'
import type { Steps, WindowFunction } from '../../../lib/kernels/kernels.ts'
import { windowExports } from '../../../lib/kernels/module.ts'
import { Random, seed } from '../../support/random.ts'
import { fill, randomSeries, readRow, show } from './series.ts'
import { lookbackTwin, staleBits, type TwinSamples, windowTwin } from './twins/windows.ts'

const functions = Object.keys(windowExports) as WindowFunction[]
/** Their values are samples' own: NaN payloads included. */
const picking = new Set<WindowFunction>(['first_over_time', 'last_over_time', 'min_over_time', 'max_over_time'])
const kernels = createKernels()
const columns = kernels.columns()

function randomSteps(random: Random, { times }: TwinSamples): Steps {
  const first = times[0] ?? 0
  const span = (times.at(-1) ?? 0) - first + 1
  const stepMs = Math.max(1, Math.floor(span * random.pick([0.001, 0.01, 0.1, 1])))
  const startMs = first + Math.floor((random.float() * 2 - 0.7) * span)
  return { startMs: random.chance(0.3) ? first : startMs, stepMs, count: random.below(60) + random.below(2) }
}

function expectTwin(func: WindowFunction, series: TwinSamples, call: Parameters<typeof windowTwin>[2]): void {
  const mark = kernels.mark()
  const row = kernels.row(call.steps.count)
  fill(columns, series)
  kernels.window(func, columns, call.steps, call.rangeMs, call.params, row)
  const anyNaN = !picking.has(func)
  const got = show(readRow(kernels, row, call.steps.count), anyNaN)
  kernels.release(mark)
  expect(got).toEqual(show(windowTwin(func, series, call), anyNaN))
}

test.each(functions)(`%s equals its twin (SEED=${seed})`, (func) => {
  const random = new Random(seed)
  for (let round = 0; round < 300; round++) {
    const series = randomSeries(random, 200)
    const steps = randomSteps(random, series)
    const span = (series.times.at(-1) ?? 0) - (series.times[0] ?? 0) + 2
    const someMs = 1 + Math.floor(span * random.pick([0.001, 0.03, 0.2, 1, 3]) * random.float())
    const rangeMs = random.chance(0.3) ? steps.stepMs * (1 + random.below(20)) : someMs
    const params = [random.pick([0, 0.3, 0.5, 0.99, 1, -1, 2, Number.NaN, 3600]), random.float()]
    expectTwin(func, series, { steps, rangeMs, params })
  }
})

test(`quantiles of windows that slide by some samples, of few values (SEED=${seed})`, () => {
  const random = new Random(seed)
  for (let round = 0; round < 500; round++) {
    const some = Array.from({ length: 1 + random.below(120) }, () =>
      random.pick([0, -0, 1, 2, -1, Number.NaN, Infinity]),
    )
    const series = minutes(some)
    const steps = {
      startMs: 60_000 * random.below(40),
      stepMs: 60_000 * (1 + random.below(4)),
      count: random.below(90),
    }
    const params = [random.pick([0, 0.25, 0.5, 0.9, 1])]
    expectTwin('quantile_over_time', series, { steps, rangeMs: 60_000 * (1 + random.below(60)), params })
  }
})

test(`the instant selector equals its twin (SEED=${seed})`, () => {
  const random = new Random(seed)
  for (let round = 0; round < 1000; round++) {
    const series = randomSeries(random, 100)
    const steps = randomSteps(random, series)
    const lookbackMs = random.pick([0, 1, 1000, 300_000])
    const mark = kernels.mark()
    const row = kernels.row(steps.count)
    const times = kernels.row(steps.count)
    fill(columns, series)
    kernels.lookback(columns, steps, lookbackMs, row, times)
    const want = lookbackTwin(series, steps, lookbackMs)
    expect(show(readRow(kernels, row, steps.count), false)).toEqual(show(want, false))
    const wantTimes = { values: want.times, present: want.present }
    expect(show(readRow(kernels, times, steps.count), false)).toEqual(show(wantTimes, false))
    kernels.release(mark)
  }
})

const minutes = (values: number[]) => ({
  times: Float64Array.from(values, (_, i) => (i + 1) * 60_000),
  values: Float64Array.from(values),
})
const at = (t: number) => ({ startMs: t, stepMs: 1, count: 1 })

test.each([
  // A window is open at its left: of samples at 1m … 5m, [4m] at 5m sees four.
  ['count_over_time', [1, 2, 3, 4, 5], 300_000, 240_000, [], 4],
  ['sum_over_time', [1, 1e100, 1, -1e100], 240_000, 240_000, [], 2],
  ['avg_over_time', [1.5e308, 1.5e308, 1.5e308], 180_000, 180_000, [], 1.5e308],
  ['increase', [600, 660, 720, 780, 840], 300_000, 300_000, [], 300],
  // A counter that starts at 0 is not extrapolated to before its start.
  ['increase', [0, 60, 120, 180, 240], 300_000, 300_000, [], 240],
  ['increase', [100, 200, 10, 20], 240_000, 240_000, [], 160],
  ['rate', [600, 660, 720, 780, 840], 300_000, 300_000, [], 1],
  ['delta', [50, 40, 30], 180_000, 180_000, [], -30],
  ['irate', [7, 100, 40], 180_000, 180_000, [], 40 / 60],
  ['idelta', [7, 100, 40], 180_000, 180_000, [], -60],
  ['quantile_over_time', [3, 1, 2, 4], 240_000, 240_000, [0.5], 2.5],
  ['mad_over_time', [4, 6, 2, 1, 999, 1, 2], 420_000, 420_000, [], 1],
  ['changes', [1, 1, Number.NaN, Number.NaN, 2], 300_000, 300_000, [], 2],
  ['resets', [5, 6, 1, 2, 0], 300_000, 300_000, [], 2],
  ['min_over_time', [Number.NaN, 3, 2, Number.NaN], 240_000, 240_000, [], 2],
  ['deriv', [0, 60, 120], 180_000, 180_000, [], 1],
  ['predict_linear', [0, 60, 120], 180_000, 180_000, [3600], 3720],
  ['predict_linear', [0, 60, 120], 180_000, 180_000, [3600, 60_000], 3780],
  ['double_exponential_smoothing', [1, 2, 3, 4], 240_000, 240_000, [0.5, 0.5], 4],
  ['ts_of_max_over_time', [9, 9, 1], 180_000, 180_000, [], 120],
] as const)('%s of %j at %i, range %i, %j: %d', (func, values, t, rangeMs, params, want) => {
  const series = minutes([...values])
  expectTwin(func, series, { steps: at(t), rangeMs, params })
  fill(columns, series)
  const row = kernels.row(1)
  kernels.window(func, columns, at(t), rangeMs, params, row)
  expect(readRow(kernels, row, 1)).toEqual({ values: Float64Array.of(want), present: Uint8Array.of(1) })
})

test('a stale marker ends a series for the instant selector and is not there for a window', () => {
  columns.clear()
  columns.push(1000, 5)
  columns.pushBits(2000, staleBits)
  const row = kernels.row(3)
  const steps = { startMs: 1000, stepMs: 1000, count: 3 }
  kernels.lookback(columns, steps, 300_000, row)
  expect([...readRow(kernels, row, 3).present]).toEqual([1, 0, 0])
  kernels.window('last_over_time', columns, steps, 300_000, [], row)
  expect([...readRow(kernels, row, 3).values]).toEqual([5, 5, 5])
})
