// Points as JSON by kernel, against their plain twin (lib/promql/format-number.ts), which writes numbers as JavaScript does.
import { expect, test } from 'vitest'
import { PointWriter } from '../../../lib/kernels/point-writer.ts'
import { formatTimestamp, formatValue } from '../../../lib/promql/format-number.ts'
import { Random } from '../../support/random.ts'

const writer = new PointWriter()

function written(times: readonly number[], values: readonly number[]): string {
  const parts: string[] = []
  writer.write(Float64Array.from(times), Float64Array.from(values), (text) =>
    parts.push(Buffer.from(text).toString('latin1')),
  )
  return parts.join('')
}

function twin(times: readonly number[], values: readonly number[]): string {
  return times.map((timeMs, i) => `[${formatTimestamp(timeMs)},"${formatValue(values[i]!)}"]`).join(',')
}

/** Compared one by one only where all together differ: a failure shows a number. */
function sameValues(values: readonly number[]): void {
  const times = values.map(() => 1_700_006_400_000)
  if (written(times, values) === twin(times, values)) return
  for (const value of values) expect(written([0], [value])).toBe(twin([0], [value]))
}

const words = new Float64Array(1)
const bits = new BigUint64Array(words.buffer)
function ofBits(pattern: bigint): number {
  bits[0] = BigInt.asUintN(64, pattern)
  return words[0]!
}

test('values that are spelled in a way of their own', () => {
  const edges = [
    0,
    1,
    9,
    10,
    99,
    100,
    12_345_678,
    99_999_999,
    100_000_000,
    123_456_789_012,
    2 ** 53 - 1,
    2 ** 53,
    2 ** 53 + 2,
  ]
  const small = [
    0.1, 0.3, 1.5, 123.456, 1e-6, 9.999999e-7, 1e-7, 1.5e-7, 1e-10, 1e-100, 2.5e-300, 5e-324, 2.2250738585072014e-308,
  ]
  const large = [1e20, 123456789012345680000, 999999999999999900000, 1e21, 1.5e21, 1e22, 1e100, 1.7976931348623157e308]
  const all = [...edges, ...small, ...large, Number.POSITIVE_INFINITY]
  sameValues([
    ...all,
    ...all.map((value) => -value),
    Number.NaN,
    ofBits(0x7ff0000000000002n),
    ofBits(0xfff8000000000001n),
  ])
})

test('powers of two and of ten, with their neighbours', () => {
  const values: number[] = []
  for (let exponent = -1074; exponent < 1024; exponent++) values.push(2 ** exponent)
  for (let exponent = -323; exponent <= 308; exponent++) values.push(Number(`1e${exponent}`))
  for (const value of [...values]) {
    words[0] = value
    const pattern = bits[0]!
    values.push(ofBits(pattern - 1n), ofBits(pattern + 1n))
  }
  sameValues(values)
})

test('random bits', () => {
  const random = new Random(7)
  const word = () => BigInt(random.below(2 ** 32))
  sameValues(Array.from({ length: 100_000 }, () => ofBits((word() << 32n) | word())))
})

test('numbers as metrics have them', () => {
  const random = new Random(8)
  const values: number[] = []
  for (let i = 0; i < 50_000; i++) {
    const value = random.float() * 10 ** random.below(12)
    const digits = 10 ** random.below(6)
    values.push(value, Math.round(value * digits) / digits, Math.round(value), value / 1e9, value * 1e9)
  }
  sameValues(values)
})

test('times with and without milliseconds, before 1970, and far away', () => {
  const times = [0, 1, 50, 999, 1000, 1001, 1_700_006_400_000, 1_700_006_400_050, 2 ** 53 - 1, 4_294_967_296_000]
  const all = [...times, ...times.map((timeMs) => -timeMs)]
  expect(written(all, all)).toBe(twin(all, all))
})

test('more points than one call takes, and none', () => {
  const values = Array.from({ length: 5000 }, (_, i) => i / 7)
  const times = values.map((_, i) => 1_700_000_000_000 + i * 15_000)
  expect(written(times, values)).toBe(twin(times, values))
  expect(written([], [])).toBe('')
})
