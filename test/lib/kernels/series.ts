// Random series for the kernels' tests: regular and irregular times, counters and gauges, and every odd double.
// Owns what is put into columns and read from rows; NaN bits are kept.
import type { Kernels, Row, SampleColumns } from '../../../lib/kernels/kernels.ts'
import type { Random } from '../../support/random.ts'
import { staleBits, type TwinRow, type TwinSamples } from './twins/windows.ts'

const oddDoubles = [
  0x7ff8000000000000n, // NaN
  0x7ff8000000000001n, // Go's NaN
  0xfff800000000beefn, // NaN with a payload
  staleBits,
  0x7ff0000000000000n, // +Inf
  0xfff0000000000000n, // −Inf
  0x8000000000000000n, // −0
  0x0000000000000000n,
  0x0000000000000001n, // the least denormal
  0x800fffffffffffffn, // the largest negative denormal
  0x7fefffffffffffffn, // MAX_VALUE
  0xffefffffffffffffn,
]

/** How a series' values go on from one to the next. */
const valueKinds = {
  counter: (random: Random, before: number) => (random.chance(0.03) ? random.below(5) : before + random.below(50)),
  rising: (random: Random, before: number) => before + random.float() * 10,
  gauge: (random: Random) => (random.float() - 0.5) * 10 ** random.below(12),
  small: (random: Random) => random.below(4),
  constant: (_: Random, before: number) => before,
  huge: (random: Random) => (random.float() - 0.3) * Number.MAX_VALUE,
}

/** Up to `most` samples; times ascend strictly. `odd` is the share of odd doubles among the values. */
export function randomSeries(random: Random, most: number): TwinSamples {
  const length = random.chance(0.1) ? random.below(4) : random.below(most)
  const kind = valueKinds[random.pick(Object.keys(valueKinds) as (keyof typeof valueKinds)[])]
  const odd = random.pick([0, 0, 0.02, 0.3, 1])
  const intervalMs = random.pick([1, 10, 1000, 15_000, 60_000])
  const jitter = random.pick([0, 0, 0.3])
  const gaps = random.pick([0, 0.02])
  const times = new Float64Array(length)
  const values = new Float64Array(length)
  const bits = new BigUint64Array(values.buffer)
  let time = random.pick([0, 1_700_000_000_000, -50_000])
  let value = random.below(1000)
  for (let i = 0; i < length; i++) {
    time += Math.max(1, Math.round(intervalMs * (1 + (random.float() - 0.5) * jitter)))
    if (random.chance(gaps)) time += intervalMs * random.below(30)
    value = kind(random, value)
    times[i] = time
    values[i] = value
    if (random.chance(odd)) bits[i] = random.pick(oddDoubles)
  }
  return { times, values }
}

/** Any bits at all as values, and times with steps of every size, for the codec. */
export function wildSeries(random: Random, most: number): TwinSamples {
  const series = randomSeries(random, most)
  const bits = new BigUint64Array(series.values.buffer)
  const wildness = random.pick([0, 0.5, 1])
  for (let i = 0; i < bits.length; i++) if (random.chance(wildness)) bits[i] = random.u64()
  if (random.chance(0.5)) {
    let time = 0
    for (let i = 0; i < bits.length; i++) {
      time += random.below(2 ** random.below(40)) * (random.chance(0.2) ? -1 : 1)
      series.times[i] = time
    }
  }
  return series
}

export function fill(columns: SampleColumns, { times, values }: TwinSamples): void {
  const bits = new BigUint64Array(values.buffer, values.byteOffset, values.length)
  columns.clear()
  for (const [i, time] of times.entries()) columns.pushBits(time, bits[i]!)
}

/** A copy of a row. */
export function readRow(kernels: Kernels, row: Row, steps: number): TwinRow {
  return { values: kernels.f64(row.valuesPtr, steps).slice(), present: kernels.u8(row.presentPtr, steps).slice() }
}

/** Fills a row; absent steps get a value that no one may look at. */
export function writeRow(kernels: Kernels, row: Row, from: TwinRow): void {
  const steps = from.present.length
  kernels.u8(row.presentPtr, steps).set(from.present)
  new BigUint64Array(kernels.memory.buffer, row.valuesPtr, steps).set(new BigUint64Array(from.values.buffer))
}

/** Bits in hex where a value is there; with `anyNaN` all NaN are one (what arithmetic makes of payloads is not defined). */
export function show({ values, present }: TwinRow, anyNaN: boolean): string[] {
  const bits = new BigUint64Array(values.buffer, values.byteOffset, values.length)
  return Array.from(present, (there, i) => {
    if (there === 0) return 'absent'
    if (anyNaN && Number.isNaN(values[i])) return 'NaN'
    return `${bits[i]!.toString(16).padStart(16, '0')} (${values[i]})`
  })
}
