// Exponentials, logarithms and powers bit for bit as Go has them on amd64. A line of test/golden/go-math/exponentials.txt is x, y, then
// what Go's math package says of what is listed below: the bits of doubles, in hexadecimal.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { exp, fma } from '../../../../lib/promql/functions/go-exp.ts'
import { acosh, asinh, atanh, cosh, sinh, tanh } from '../../../../lib/promql/functions/go-hyperbolic.ts'
import { exp2, log, log2, log10, pow } from '../../../../lib/promql/functions/go-math.ts'
import { goldenPath } from '../../../support/golden.ts'
import { Random, seed } from '../../../support/random.ts'

const view = new DataView(new ArrayBuffer(8))

function double(bits: string): number {
  view.setBigUint64(0, BigInt(`0x${bits}`))
  return view.getFloat64(0)
}

test('every digit', () => {
  const lines = readFileSync(goldenPath('go-math', 'exponentials.txt'), 'utf8').trim().split('\n')
  for (const line of lines) {
    const [x, y, ...want] = line.split(' ').map(double) as [number, number, ...number[]]
    const size = Math.abs(x)
    const got = [
      ...[exp(x), sinh(x), cosh(x), tanh(x), asinh(x), acosh(1 + size), atanh(x)],
      ...[log(size), log2(size), log10(size), pow(size, y), pow(x, y), x % y, exp2(x)],
    ]
    expect({ x, y, got }).toEqual({ x, y, got: want })
  }
  expect(lines.length).toBe(400)
})

test('the ends of the range', () => {
  expect([exp(-Infinity), exp(-1e9), exp(-746), exp(0), exp(-0), exp(5e-324)]).toEqual([0, 0, 0, 1, 1, 1])
  expect([exp(Infinity), exp(1e9), exp(709.79), exp(NaN)]).toEqual([Infinity, Infinity, Infinity, NaN])
  // The exponent is rounded up to 1024 there.
  expect([exp(709.4), exp(709.5)]).toEqual([1.2260423226426727e308, Infinity])
  expect([exp(-745), exp(-709)]).toEqual([5e-324, 1.216780750623423e-308])
  for (const odd of [sinh, tanh, asinh, atanh]) expect(odd(-0)).toBe(-0)
  expect([tanh(Infinity), tanh(-50), acosh(0.5), acosh(1), atanh(1), atanh(-1), atanh(2)]).toEqual([
    ...[1, -1, NaN, 0, Infinity, -Infinity, NaN],
  ])
})

/** a × b + c in whole numbers of 2^-2200, rounded by the engine's own conversion, which goes by halves to even. */
function exactFma(a: number, b: number, c: number): number {
  const sum = (wholeOf(a) * wholeOf(b)) / 2n ** 300n + wholeOf(c)
  // 53 bits and more of it, and whether there is anything below them.
  const bits = (sum < 0n ? -sum : sum).toString(2).length
  const cut = BigInt(Math.max(bits - 70, 0))
  const kept = sum >> cut
  return Number(kept << cut === sum ? kept << 1n : (kept << 1n) | 1n) * 2 ** (Number(cut) - 301)
}

/** In units of 2^-300: exact for what is at least 2^-240. */
function wholeOf(value: number): bigint {
  return BigInt(value * 2 ** 110) * 2n ** 190n
}

test(`a × b + c is rounded once, seed ${seed}`, () => {
  const random = new Random(seed)
  const number = () => (random.float() - 0.5) * 2 ** (random.below(40) - 20)
  for (let i = 0; i < 20_000; i++) {
    const [a, b] = [number(), number()]
    // Often so that much cancels, or that the product is next to half of the last digit.
    const c = random.pick([number(), -a * b, number() * 2 ** 53, -a * b * (1 + 2 ** -50)])
    expect({ a, b, c, got: fma(a, b, c) }).toEqual({ a, b, c, got: exactFma(a, b, c) })
  }
})
