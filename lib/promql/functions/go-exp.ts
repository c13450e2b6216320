// The exponential function bit for bit as Prometheus has it on the machines that it mostly runs on: amd64 with FMA.
// Specification: Go's math/exp_amd64.s: e^x = 2^k × e^r; e^(r/16) by Taylor's series, squared four times as (1 + y)² − 1.
// Owns fma() too, for numbers of this size alone; what else goes by exp is in go-hyperbolic.ts and go-math.ts.

/** Over this the result is infinite. */
const overflow = 709.782712893384
/** ln 2 in two parts: the upper one has zeros enough behind it that its multiples by whole exponents are exact. */
const ln2Upper = 0.693147180559663
const ln2Lower = 2.8235290563031577e-13
/** 1/8!, 1/7! … 1/1!. */
const taylor = [
  2.48015873015873e-5, 1.984126984126984e-4, 1.3888888888888889e-3, 8.333333333333333e-3, 0.041666666666666664,
  0.16666666666666666, 0.5, 1,
] as const

const doubles = new Float64Array(1)
const words = new Uint32Array(doubles.buffer)

/** e to the power of value. */
export function exp(value: number): number {
  if (Number.isNaN(value)) return value
  if (value > overflow) return Infinity
  // Far below the least double, and too far for a whole exponent.
  if (value < -1000) return 0
  const exponent = roundToEven(value * Math.LOG2E)
  const rest = fma(-exponent, ln2Lower, value - exponent * ln2Upper) * 0.0625
  let sum: number = taylor[0]
  for (let i = 1; i < taylor.length; i++) sum = nextTerm(sum, rest, i)
  let grown = rest * sum
  for (let i = 0; i < 3; i++) grown *= grown + 2
  return scale(fma(grown, grown + 2, 1), exponent)
}

/** The greatest power of two in each coefficient, and half of the last digit of what is at least that, with a tenth to spare. */
const floors = Float64Array.from(taylor, (coefficient) => 2 ** Math.floor(Math.log2(coefficient)))
const halfDigits = floors.map((floor) => floor * 2 ** -53 * 0.9)

/**
 * sum × rest + coefficient, rounded once. The product is at most a fortieth of the coefficient, so that its own rounding
 * matters only where what is cut off is half of the last digit, or nearly: then alone fma() is asked, which takes long.
 */
function nextTerm(sum: number, rest: number, i: number): number {
  const coefficient = taylor[i]!
  const product = sum * rest
  const next = coefficient + product
  const cut = Math.abs(product - (next - coefficient))
  const halfDigit = next < floors[i]! ? halfDigits[i]! / 2 : halfDigits[i]!
  return cut < halfDigit ? next : fma(sum, rest, coefficient)
}

/** fraction × 2^exponent, infinite from 2^1024 on even where the fraction is below 1, as in Go. */
function scale(fraction: number, exponent: number): number {
  if (exponent >= 1024) return Infinity
  if (exponent > -1023) {
    // Twice as fast as **.
    words[0] = 0
    words[1] = (exponent + 1023) << 20
    return fraction * doubles[0]!
  }
  return exponent < -1075 ? 0 : fraction * 2 ** (exponent + 1022) * 2 ** -1022
}

function roundToEven(value: number): number {
  const rounded = Math.round(value)
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded
}

/** Multiplied by it, a double's upper 26 bits can be cut off. */
const splitter = 2 ** 27 + 1
/**
 * a × b + c, rounded once; none of them, nor the product, may be near the ends of the doubles' range.
 * The product's error is exact (Dekker), both sums' errors are (Knuth), and the last but one sum is rounded to odd, so that
 * the last one cannot round twice (Boldo, Melquiond: Emulation of FMA and correctly rounded sums).
 */
export function fma(a: number, b: number, c: number): number {
  const product = a * b
  let cut = splitter * a
  const aHigh = cut - (cut - a)
  const aLow = a - aHigh
  cut = splitter * b
  const bHigh = cut - (cut - b)
  const bLow = b - bHigh
  const productError = aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow)
  const low = c + productError
  const lowPart = low - c
  const lowError = c - (low - lowPart) + (productError - lowPart)
  const sum = product + low
  const sumPart = sum - product
  const sumError = product - (sum - sumPart) + (low - sumPart)
  return sum + sumToOdd(sumError, lowError)
}

/** The sum, cut; where that is not exact, its last bit is set. */
function sumToOdd(a: number, b: number): number {
  const sum = a + b
  const part = sum - a
  const error = a - (sum - part) + (b - part)
  if (error === 0) return sum
  doubles[0] = sum
  if ((words[0]! & 1) === 1) return sum
  // Little-endian, as WebAssembly's memory: the last bits come first.
  if (error > 0 === sum > 0) words[0]! |= 1
  else if (words[0]! > 0) words[0]!--
  else {
    words[0] = 0xffffffff
    words[1]!--
  }
  return doubles[0]!
}
