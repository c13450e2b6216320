// Trigonometry to Prometheus's last digit: sine, cosine, tangent and their inverses as Go computes them on every machine.
// Specification: Go's math package after Cephes: polynomials over octants, π/4 in three parts; from 2^29 on 4/π to 1,217 bits.
// Owns these; hyperbolic functions are go-hyperbolic.ts's.

const quarterPi = Math.PI / 4
const quarterPiParts = [0.7853981256484985, 3.774894707930798e-8, 2.6951514290790595e-15] as const

const sinCoefficients = [
  1.5896230157654656e-10, -2.5050747762857807e-8, 2.7557313621385722e-6, -0.0001984126982958954, 0.008333333333322118,
  -0.1666666666666663,
]
const cosCoefficients = [
  -1.1358536521387682e-11, 2.087570084197473e-9, -2.755731417929674e-7, 2.4801587288851704e-5, -0.0013888888888873056,
  0.041666666666666595,
]
const tanNumerator = [-13093.693918138379, 1153516.6483858742, -17956525.197648488]
const tanDenominator = [1, 13681.296347069296, -1320892.3444021097, 25008380.18233579, -53869575.592945464]
const atanNumerator = [
  -0.8750608600031904, -16.157537187333652, -75.00855792314705, -122.88666844901361, -64.85021904942025,
]
const atanDenominator = [
  1, 24.858464901423062, 165.02700983169885, 432.88106049129027, 485.3903996359137, 194.5506571482614,
]

/** Coefficients from the highest power down. */
function polynomial(coefficients: readonly number[], x: number): number {
  let value = coefficients[0]!
  for (let i = 1; i < coefficients.length; i++) value = value * x + coefficients[i]!
  return value
}

/** The octant of a positive angle, even, and what remains from it on: between −π/4 and π/4. */
interface Reduced {
  readonly octant: number
  readonly rest: number
}

function reduce(angle: number): Reduced {
  if (angle >= 2 ** 29) return reduceHuge(angle)
  let count = Math.trunc(angle * (4 / Math.PI))
  if (count % 2 === 1) count++
  const [a, b, c] = quarterPiParts
  return { octant: count % 8, rest: angle - count * a - count * b - count * c }
}

/** The binary digits of 4/π, 64 at a time: a one, then what is behind the point. */
const fourOverPi = [
  ...[0x0000000000000001n, 0x45f306dc9c882a53n, 0xf84eafa3ea69bb81n, 0xb6c52b3278872083n, 0xfca2c757bd778ac3n],
  ...[0x6e48dc74849ba5c0n, 0x0c925dd413a32439n, 0xfc3bd63962534e7dn, 0xd1046bea5d768909n, 0xd338e04d68befc82n],
  ...[0x7323ac7306a673e9n, 0x3908bf177bf25076n, 0x3ff12fffbc0b301fn, 0xde5e2316b414da3en, 0xda6cfd9e4f96136en],
  ...[0x9e8c7ecd3cbfd45an, 0xea4f758fd7cbe2f6n, 0x7a0e73ef14a525d4n, 0xd7f6bf623f1aba10n, 0xac06608df8f6d757n],
]

const low64 = 2n ** 64n - 1n
const scratch = new DataView(new ArrayBuffer(8))

// Of the product with 4/π only the digits around the point matter: 192 bits of it, times the angle's 53.
function reduceHuge(angle: number): Reduced {
  scratch.setFloat64(0, angle)
  const bits = scratch.getBigUint64(0)
  const exponent = Number(bits >> 52n) - 1023 - 52
  const mantissa = (bits & (2n ** 52n - 1n)) | (2n ** 52n)
  const digit = Math.floor((exponent + 61) / 64)
  const shift = BigInt((exponent + 61) % 64)
  const word = (at: number) => ((fourOverPi[at]! << shift) | (fourOverPi[at + 1]! >> (64n - shift))) & low64
  const product = ((word(digit + 2) * mantissa) >> 64n) + word(digit + 1) * mantissa + ((word(digit) * mantissa) << 64n)
  const octant = Number((product >> 125n) & 7n)
  // Go moves the upper word alone by the three bits of the octant; the last bits are those of the lower word as it was.
  const fraction = fractionOf((((product >> 61n) & low64) << 64n) | (product & low64))
  return octant % 2 === 1
    ? { octant: (octant + 1) % 8, rest: (fraction - 1) * quarterPi }
    : { octant, rest: fraction * quarterPi }
}

/** 128 bits behind a point as a double, cut and not rounded. */
function fractionOf(bits: bigint): number {
  if (bits === 0n) return 0
  const zeros = 128 - bits.toString(2).length
  const mantissa = (bits << BigInt(zeros)) >> 75n
  return Number(mantissa) * 2 ** (-53 - zeros)
}

function sinOfRest(rest: number): number {
  const square = rest * rest
  return rest + rest * square * polynomial(sinCoefficients, square)
}

function cosOfRest(rest: number): number {
  const square = rest * rest
  return 1 - 0.5 * square + square * square * polynomial(cosCoefficients, square)
}

export function sin(angle: number): number {
  if (angle === 0 || !Number.isFinite(angle)) return angle === 0 ? angle : NaN
  const { octant, rest } = reduce(Math.abs(angle))
  const isNegative = angle < 0 !== octant > 3
  const value = octant % 4 === 2 ? cosOfRest(rest) : sinOfRest(rest)
  return isNegative ? -value : value
}

export function cos(angle: number): number {
  if (!Number.isFinite(angle)) return NaN
  const { octant, rest } = reduce(Math.abs(angle))
  const value = octant % 4 === 2 ? sinOfRest(rest) : cosOfRest(rest)
  return octant === 2 || octant === 4 ? -value : value
}

export function tan(angle: number): number {
  if (angle === 0 || !Number.isFinite(angle)) return angle === 0 ? angle : NaN
  const { octant, rest } = reduce(Math.abs(angle))
  const square = rest * rest
  let value = rest
  if (square > 1e-14) {
    value = rest + rest * ((square * polynomial(tanNumerator, square)) / polynomial(tanDenominator, square))
  }
  if (octant % 4 === 2) value = -1 / value
  return angle < 0 ? -value : value
}

// Of 0 to 0.66.
function atanNear(x: number): number {
  const square = x * x
  return x * ((square * polynomial(atanNumerator, square)) / polynomial(atanDenominator, square)) + x
}

const restOfHalfPi = 6.123233995736766e-17
const tanOfThreeEighths = 2.414213562373095

function atanPositive(x: number): number {
  if (x <= 0.66) return atanNear(x)
  if (x > tanOfThreeEighths) return Math.PI / 2 - atanNear(1 / x) + restOfHalfPi
  return quarterPi + atanNear((x - 1) / (x + 1)) + 0.5 * restOfHalfPi
}

export function atan(x: number): number {
  if (x === 0 || Number.isNaN(x)) return x
  return x > 0 ? atanPositive(x) : -atanPositive(-x)
}

export function asin(x: number): number {
  if (x === 0) return x
  const size = Math.abs(x)
  if (!(size <= 1)) return NaN
  const other = Math.sqrt(1 - size * size)
  const value = size > 0.7 ? Math.PI / 2 - atanPositive(other / size) : atanPositive(size / other)
  return x < 0 ? -value : value
}

export function acos(x: number): number {
  return Math.PI / 2 - asin(x)
}

export function atan2(y: number, x: number): number {
  // Zeros, infinities and NaN are equal in both.
  if (x === 0 || y === 0 || !Number.isFinite(x) || !Number.isFinite(y)) return Math.atan2(y, x)
  const quotient = atan(y / x)
  if (x >= 0) return quotient
  return quotient <= 0 ? quotient + Math.PI : quotient - Math.PI
}
