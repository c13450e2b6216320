// Hyperbolic functions and their inverses bit for bit as Prometheus has them.
// Specification: Go's math package (sinh after Hart & Cheney, tanh after Cephes, asinh, acosh, atanh and log1p after FreeBSD).
// Owns these; exp is go-exp.ts's, log go-math.ts's.

import { exp } from './go-exp.ts'
import { ln2High, ln2Low, log } from './go-math.ts'

/** From here on the smaller of the two exponentials is nothing to the larger one. */
const oneSided = 21

export function sinh(value: number): number {
  return value < 0 ? -sinhOf(-value) : sinhOf(value)
}

function sinhOf(size: number): number {
  if (size > oneSided) return exp(size) * 0.5
  if (size > 0.5) {
    const grown = exp(size)
    return (grown - 1 / grown) * 0.5
  }
  const square = size * size
  const above =
    (((-26.30563213397498 * square - 2894.211355989564) * square - 89912.72022039509) * square - 630767.3640497717) *
    size
  return above / (((square - 173.6789535582337) * square + 15215.17378790019) * square - 630767.3640497717)
}

export function cosh(value: number): number {
  const size = Math.abs(value)
  const grown = exp(size)
  return size > oneSided ? grown * 0.5 : (grown + 1 / grown) * 0.5
}

export function tanh(value: number): number {
  const size = Math.abs(value)
  if (size > 44.014845965556525) return value < 0 ? -1 : 1
  if (size >= 0.625) {
    const result = 1 - 2 / (exp(2 * size) + 1)
    return value < 0 ? -result : result
  }
  if (value === 0) return value
  const s = value * value
  const above = (-0.9643991794250523 * s - 99.28772310019185) * s - 1614.6876844170845
  const below = ((s + 112.81167849163293) * s + 2235.4883906010045) * s + 4844.063053251255
  return value + (value * s * above) / below
}

const large = 2 ** 28
const nearZero = 2 ** -28

export function asinh(value: number): number {
  if (!Number.isFinite(value)) return value
  const size = Math.abs(value)
  const result = asinhOf(size)
  // Minus zero's sign is lost on the way in Go, too.
  return value < 0 ? -result : result === 0 ? value : result
}

function asinhOf(size: number): number {
  if (size > large) return log(size) + Math.LN2
  if (size > 2) return log(2 * size + 1 / (Math.sqrt(size * size + 1) + size))
  if (size < nearZero) return size
  return log1p(size + (size * size) / (1 + Math.sqrt(1 + size * size)))
}

export function acosh(value: number): number {
  if (!(value >= 1)) return NaN
  if (value === 1) return 0
  if (value >= large) return log(value) + Math.LN2
  if (value > 2) return log(2 * value - 1 / (value + Math.sqrt(value * value - 1)))
  const t = value - 1
  return log1p(t + Math.sqrt(2 * t + t * t))
}

export function atanh(value: number): number {
  const size = Math.abs(value)
  if (!(size <= 1)) return NaN
  const result = atanhOf(size)
  return value < 0 ? -result : size === 0 ? value : result
}

function atanhOf(size: number): number {
  if (size === 1) return Infinity
  if (size < nearZero) return size
  if (size >= 0.5) return 0.5 * log1p((size + size) / (1 - size))
  const twice = size + size
  return 0.5 * log1p(twice + (twice * size) / (1 - size))
}

const logCoefficients = [
  0.14798198605116586, 0.15313837699209373, 0.1818357216161805, 0.22222198432149784, 0.2857142874366239,
  0.3999999999940942, 0.6666666666666735,
] as const

/** 1 + x = 2^k × (1 + f) with √½ < 1 + f < √2; c is what the rounding of 1 + x has lost. */
interface Reduced {
  readonly k: number
  readonly f: number
  readonly c: number
  /** f has few bits, or is small: two terms of the series are enough. */
  readonly short: boolean
}

const scratch = new DataView(new ArrayBuffer(8))
const mantissaBits = 2n ** 52n - 1n

function reduce(value: number): Reduced {
  const isLarge = value >= 2 ** 53
  const sum = isLarge ? value : 1 + value
  scratch.setFloat64(0, sum)
  const bits = scratch.getBigUint64(0)
  let k = Number(bits >> 52n) - 1023
  const c = isLarge ? 0 : (k > 0 ? 1 - (sum - value) : value - (sum - 1)) / sum
  const mantissa = bits & mantissaBits
  const isUpper = mantissa >= 0x0006a09e667f3bcdn
  if (isUpper) k++
  scratch.setBigUint64(0, mantissa | (isUpper ? 0x3fe0000000000000n : 0x3ff0000000000000n))
  const short = isUpper ? (2n ** 52n - mantissa) >> 2n === 0n : mantissa === 0n
  return { k, f: scratch.getFloat64(0) - 1, c, short }
}

/** ln(1 + value), exact to the last digits near zero. */
function log1p(value: number): number {
  if (!(value > -1)) return value === -1 ? -Infinity : NaN
  if (value === Infinity) return value
  const size = Math.abs(value)
  if (size < 2 ** -54) return value
  if (size < 2 ** -29) return value - value * value * 0.5
  const isNear = size < Math.SQRT2 - 1 && value > Math.SQRT1_2 - 1
  const { k, f, c, short } = isNear ? { k: 0, f: value, c: 0, short: false } : reduce(value)
  const halfSquare = 0.5 * f * f
  if (short) {
    if (f === 0) return k === 0 ? 0 : k * ln2High + (c + k * ln2Low)
    const r = halfSquare * (1 - 0.6666666666666666 * f)
    return k === 0 ? f - r : k * ln2High - (r - (k * ln2Low + c) - f)
  }
  const s = f / (2 + f)
  const z = s * s
  let r = 0
  for (const coefficient of logCoefficients) r = z * (coefficient + r)
  if (k === 0) return f - (halfSquare - s * (halfSquare + r))
  return k * ln2High - (halfSquare - (s * (halfSquare + r) + (k * ln2Low + c)) - f)
}
