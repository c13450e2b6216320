// Mathematics as Prometheus on amd64 has it, where JavaScript's differs from Go's: logarithms, powers, the edges of others.
// Specification: Go's math package (log after FreeBSD's e_log.c, log2, log10, pow by repeated squaring, frexp, ldexp).
// Owns these; exp is go-exp.ts's, trigonometry go-trig.ts's and go-hyperbolic.ts's; what is equal in both (sqrt, floor …) is Math's.

import { exp } from './go-exp.ts'

const scratch = new DataView(new ArrayBuffer(8))
const exponentMask = 0x7ff

/** value = fraction × 2^exponent with 0.5 ≤ |fraction| < 1; zero, infinities and NaN are their own fraction. */
function frexp(value: number): { fraction: number; exponent: number } {
  if (value === 0 || !Number.isFinite(value)) return { fraction: value, exponent: 0 }
  const denormal = Math.abs(value) < 2 ** -1022
  scratch.setFloat64(0, denormal ? value * 2 ** 52 : value)
  const high = scratch.getUint32(0)
  const exponent = ((high >>> 20) & exponentMask) - 1022 - (denormal ? 52 : 0)
  scratch.setUint32(0, (high & ~(exponentMask << 20)) | (1022 << 20))
  return { fraction: scratch.getFloat64(0), exponent }
}

/** fraction × 2^exponent, rounded once. */
function ldexp(fraction: number, exponent: number): number {
  if (fraction === 0 || !Number.isFinite(fraction)) return fraction
  const normal = frexp(fraction)
  const sum = normal.exponent + exponent
  if (sum > 1024) return fraction < 0 ? -Infinity : Infinity
  if (sum < -1074) return fraction < 0 ? -0 : 0
  // In two steps: 2^1024 is no double, and a denormal must not be reached by way of another.
  const half = Math.trunc(sum / 2)
  return sum >= -1021 ? normal.fraction * 2 ** half * 2 ** (sum - half) : normal.fraction * 2 ** (sum + 60) * 2 ** -60
}

export const ln2High = 0.6931471803691238
export const ln2Low = 1.9082149292705877e-10
const odd = [0.6666666666666735, 0.2857142874366239, 0.1818357216161805, 0.14798198605116586] as const
const even = [0.3999999999940942, 0.22222198432149784, 0.15313837699209373] as const

/** ln. */
export function log(value: number): number {
  if (Number.isNaN(value) || value === Infinity) return value
  if (value < 0) return NaN
  if (value === 0) return -Infinity
  let { fraction, exponent } = frexp(value)
  if (fraction < Math.SQRT1_2) {
    fraction *= 2
    exponent--
  }
  const f = fraction - 1
  const s = f / (2 + f)
  const s2 = s * s
  const s4 = s2 * s2
  const t1 = s2 * (odd[0] + s4 * (odd[1] + s4 * (odd[2] + s4 * odd[3])))
  const t2 = s4 * (even[0] + s4 * (even[1] + s4 * even[2]))
  const halfSquare = 0.5 * f * f
  return exponent * ln2High - (halfSquare - (s * (halfSquare + (t1 + t2)) + exponent * ln2Low) - f)
}

export function log2(value: number): number {
  const { fraction, exponent } = frexp(value)
  // Powers of two exactly.
  if (fraction === 0.5) return exponent - 1
  return log(fraction) * Math.LOG2E + exponent
}

export function log10(value: number): number {
  return log(value) * Math.LOG10E
}

export function pow(base: number, exponent: number): number {
  const special = specialPower(base, exponent)
  if (special !== undefined) return special
  const magnitude = Math.abs(exponent)
  let whole = Math.trunc(magnitude)
  let rest = magnitude - whole
  if (rest !== 0 && base < 0) return NaN
  // Far over- or underflow: the squarings below need the exponent's bits.
  if (whole >= 2 ** 53) return base ** exponent
  let result = 1
  if (rest !== 0) {
    if (rest > 0.5) {
      rest--
      whole++
    }
    result = exp(rest * log(base))
  }
  return bySquaring(base, whole, { result, invert: exponent < 0 })
}

// Fractions multiply apart from their powers of two, so that nothing overflows on the way.
function bySquaring(base: number, whole: number, start: { result: number; invert: boolean }): number {
  let { result } = start
  let power = 0
  let { fraction, exponent } = frexp(base)
  for (let bits = whole; bits > 0; bits = Math.floor(bits / 2)) {
    if (exponent < -4096 || exponent > 4096) {
      power += exponent
      break
    }
    if (bits % 2 === 1) {
      result *= fraction
      power += exponent
    }
    fraction *= fraction
    exponent *= 2
    if (fraction < 0.5) {
      fraction += fraction
      exponent--
    }
  }
  return start.invert ? ldexp(1 / result, -power) : ldexp(result, power)
}

function specialPower(base: number, exponent: number): number | undefined {
  // IEEE 754 and Go have 1 to any power, and −1 to an infinite one, as 1; ECMAScript has NaN there.
  if (exponent === 0 || base === 1) return 1
  if (base === -1 && (exponent === Infinity || exponent === -Infinity)) return 1
  if (exponent === 1) return base
  if (base === 0 || !Number.isFinite(base) || !Number.isFinite(exponent)) return base ** exponent
  if (exponent === 0.5) return Math.sqrt(base)
  if (exponent === -0.5) return 1 / Math.sqrt(base)
  return undefined
}

/** The greater of two; NaN unless one is +Inf, which wins even over that. */
export function max(a: number, b: number): number {
  return a === Infinity || b === Infinity ? Infinity : Math.max(a, b)
}

/** The lesser of two; NaN unless one is −Inf. */
export function min(a: number, b: number): number {
  return a === -Infinity || b === -Infinity ? -Infinity : Math.min(a, b)
}

/** Least and greatest of a scalar's values; NaN among them spreads into both, but for an infinity on that side. */
export function extremes(values: Float64Array): { least: number; greatest: number; anyNaN: boolean } {
  return { least: values.reduce(min), greatest: values.reduce(max), anyNaN: values.some(Number.isNaN) }
}

const expCoefficients = [
  0.16666666666666666, -0.0027777777777015593, 6.613756321437934e-5, -1.6533902205465252e-6, 4.1381367970572385e-8,
] as const

/** 2 to the power of value. */
export function exp2(value: number): number {
  if (Number.isNaN(value) || value === Infinity) return value
  if (value > 1023.9999999999999) return Infinity
  if (value < -1074) return 0
  const power = value > 0 ? Math.trunc(value + 0.5) : value < 0 ? Math.trunc(value - 0.5) : 0
  const rest = value - power
  const high = rest * ln2High
  const low = -rest * ln2Low
  const r = high - low
  const t = r * r
  const [p1, p2, p3, p4, p5] = expCoefficients
  const c = r - t * (p1 + t * (p2 + t * (p3 + t * (p4 + t * p5))))
  return ldexp(1 - (low - (r * c) / (2 - c) - high), power)
}
