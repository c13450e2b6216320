// Trigonometry bit for bit as Go has it. A line of test/golden/go-math/trigonometry.txt is x, y, then what Go's math package says
// of sin x, cos x, tan x, asin x, acos x, atan x and atan2(x, y): the bits of doubles, in hexadecimal.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { acos, asin, atan, atan2, cos, sin, tan } from '../../../../lib/promql/functions/go-trig.ts'
import { goldenPath } from '../../../support/golden.ts'

const view = new DataView(new ArrayBuffer(8))

function double(bits: string): number {
  view.setBigUint64(0, BigInt(`0x${bits}`))
  return view.getFloat64(0)
}

test('every digit', () => {
  const lines = readFileSync(goldenPath('go-math', 'trigonometry.txt'), 'utf8').trim().split('\n')
  for (const line of lines) {
    const [x, y, ...want] = line.split(' ').map(double) as [number, number, ...number[]]
    expect({ x, y, got: [sin(x), cos(x), tan(x), asin(x), acos(x), atan(x), atan2(x, y)] }).toEqual({ x, y, got: want })
  }
  expect(lines.length).toBeGreaterThan(200)
})

test('zeros, infinities and NaN', () => {
  for (const func of [sin, tan, asin, atan]) expect(func(-0)).toBe(-0)
  for (const func of [sin, cos, tan, asin, acos]) expect(func(Infinity)).toBeNaN()
  expect([atan(Infinity), atan(-Infinity), acos(1), asin(2)]).toEqual([Math.PI / 2, -Math.PI / 2, 0, NaN])
  expect([atan2(0, -1), atan2(-0, -1), atan2(Infinity, -Infinity)]).toEqual([Math.PI, -Math.PI, (3 * Math.PI) / 4])
})
