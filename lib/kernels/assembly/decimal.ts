// The shortest decimal that reads back as a float, as text: what Go's strconv and JavaScript write, digit for digit.
// Algorithm: Raffaello Giulietti, "The Schubfach way to render doubles". Spelling: lib/promql/format-number.ts, its plain twin.
// Owns the table of powers of ten, which lib/kernels/point-writer.ts fills.

const LEAST_POWER: i32 = -292
const MOST_POWER: i32 = 324
/** 10^k × 2^x, rounded up to 128 bits of which the first one is set: the high word, then the low one, for each k. */
const POWERS: usize = memory.data((MOST_POWER - LEAST_POWER + 1) * 16, 16)
/** 10^0 … 10^19. */
const UNITS: usize = memory.data<u64>([
  1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000, 1000000000000,
  10000000000000, 100000000000000, 1000000000000000, 10000000000000000, 100000000000000000, 1000000000000000000,
  10000000000000000000,
])
/** "00" … "99", filled where it is first wanted. */
const PAIRS: usize = memory.data(200, 8)

export function powersOfTen(): usize {
  for (let i: u32 = 0; i < 100; i++) store<u16>(PAIRS + (i << 1), <u16>(0x3030 | (i / 10) | (i % 10 << 8)))
  return POWERS
}

@inline
function highOfProduct(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff
  const aHigh = a >> 32
  const bLow = b & 0xffffffff
  const bHigh = b >> 32
  const middle = aHigh * bLow + ((aLow * bLow) >> 32)
  const other = aLow * bHigh + (middle & 0xffffffff)
  return aHigh * bHigh + (middle >> 32) + (other >> 32)
}

/** The product's bits from 2^128 on; what is below them makes the last one odd. */
@inline
function roundToOdd(high: u64, low: u64, factor: u64): u64 {
  const carried = highOfProduct(low, factor)
  const middle = high * factor
  const sum = middle + carried
  return (highOfProduct(high, factor) + <u64>(sum < middle)) | <u64>(sum > 1)
}

// The decimal that was found last: digits × 10^exponent.
let digits: u64 = 0
let exponent: i32 = 0

/** Finds the decimal of a positive, finite float; its digits may end in zeros. */
function shortest(bits: u64): void {
  const fraction = bits & 0xfffffffffffff
  const biased = <i32>(bits >> 52)
  const c = biased ? fraction | 0x10000000000000 : fraction
  const q = (biased ? biased : 1) - 1075
  const odd = c & 1
  // Below a power of two floats are closer.
  const closer = <u64>(fraction == 0 && biased > 1)
  const k = (q * 1262611 - (closer ? 524031 : 0)) >> 22
  const h = <u64>(q + ((-k * 1741647) >> 19) + 1)
  const power = POWERS + (<usize>(-k - LEAST_POWER) << 4)
  const high = load<u64>(power)
  const low = load<u64>(power, 8)
  const lower = roundToOdd(high, low, (4 * c - 2 + closer) << h) + odd
  const value = roundToOdd(high, low, (4 * c) << h)
  const upper = roundToOdd(high, low, (4 * c + 2) << h) - odd
  const s = value >> 2
  if (s >= 10) {
    const tenth = s / 10
    const isBelow = lower <= 40 * tenth
    const isAbove = 40 * tenth + 40 <= upper
    if (isBelow != isAbove) {
      digits = tenth + <u64>isAbove
      exponent = k + 1
      return
    }
  }
  const isBelow = lower <= 4 * s
  const isAbove = 4 * s + 4 <= upper
  const middle = 4 * s + 2
  const isUp = isBelow != isAbove ? isAbove : value > middle || (value == middle && (s & 1) == 1)
  digits = s + <u64>isUp
  exponent = k
}

/** Takes the zeros off the digits' end. */
@inline
function trim(): void {
  const upper = digits / 100000000
  let part = <u32>(digits - upper * 100000000)
  if (part == 0) {
    // What is left of 17 digits fits 32 bits.
    part = <u32>upper
    exponent += 8 + trimPart(part)
    digits = trimmed
  } else if (part % 10 == 0) {
    const zeros = trimPart(part)
    digits = upper * load<u64>(UNITS + ((8 - <usize>zeros) << 3)) + trimmed
    exponent += zeros
  }
}

let trimmed: u32 = 0

/** Leaves the part without its last zeros in `trimmed`, returns their number. The part is not 0. */
function trimPart(part: u32): i32 {
  let zeros = 0
  while (part % 100 == 0) {
    part /= 100
    zeros += 2
  }
  if (part % 10 == 0) {
    part /= 10
    zeros++
  }
  trimmed = part
  return zeros
}

@inline
function digitCount(number: u64): usize {
  const least = <usize>(((64 - clz<u64>(number | 1)) * 1233) >> 12)
  return least + <usize>((number | 1) >= load<u64>(UNITS + (least << 3)))
}

@inline
function storePair(at: usize, pair: u32): void {
  store<u16>(at, load<u16>(PAIRS + (<usize>pair << 1)))
}

/** Writes a number whose last digit stands before `end`. */
function writeDigits(number: u64, end: usize): void {
  while (number >= 100000000) {
    const upper = number / 100000000
    const part = <u32>(number - upper * 100000000)
    const first = part / 10000
    const second = part % 10000
    storePair(end - 8, first / 100)
    storePair(end - 6, first % 100)
    storePair(end - 4, second / 100)
    storePair(end - 2, second % 100)
    end -= 8
    number = upper
  }
  let part = <u32>number
  while (part >= 100) {
    end -= 2
    storePair(end, part % 100)
    part /= 100
  }
  if (part >= 10) storePair(end - 2, part)
  else store<u8>(end - 1, <u8>(0x30 + part))
}

/** Writes a whole number; returns where its text ends. */
@inline
export function writeInteger(number: u64, to: usize): usize {
  const end = to + digitCount(number)
  writeDigits(number, end)
  return end
}

/** Three digits. */
@inline
export function writeMillis(millis: u32, to: usize): void {
  store<u8>(to, <u8>(0x30 + millis / 100))
  storePair(to + 1, millis % 100)
}

/** Puts a point behind the first `whole` of at most 17 digits. */
@inline
function insertPoint(to: usize, whole: usize): void {
  const fraction = v128.load(to + whole)
  store<u8>(to + whole, 0x2e)
  v128.store(to + whole + 1, fraction)
}

/** Writes a float as Prometheus's API does; returns where its text, at most 25 bytes, ends. Up to 48 bytes are written over. */
export function writeFloat(value: f64, to: usize): usize {
  if (!(abs(value) < Infinity)) return writeSpecial(value, to)
  const bits = reinterpret<u64>(value)
  if (bits >> 63) {
    store<u8>(to++, 0x2d)
    value = -value
  }
  // -0 has its sign by now.
  if (value < 9007199254740992 && value == trunc(value)) return writeInteger(<u64>value, to)
  shortest(bits & 0x7fffffffffffffff)
  trim()
  const count = digitCount(digits)
  const whole = <i32>count + exponent
  if (whole > 21 || whole < -5) return writeScientific(count, to)
  if (exponent >= 0) {
    // Fewer than 21 zeros.
    writeDigits(digits, to + count)
    const zeros = v128.splat<u8>(0x30)
    v128.store(to + count, zeros)
    v128.store(to + count + 16, zeros)
    return to + whole
  }
  if (whole > 0) {
    writeDigits(digits, to + count)
    insertPoint(to, whole)
    return to + count + 1
  }
  store<u64>(to, 0x3030303030302e30)
  to += 2 - whole
  writeDigits(digits, to + count)
  return to + count
}

/** NaN, +Inf or -Inf. */
function writeSpecial(value: f64, to: usize): usize {
  const isNaN = value != value
  store<u32>(to, isNaN ? 0x4e614e : value > 0 ? 0x666e492b : 0x666e492d)
  return to + (isNaN ? 3 : 4)
}

/** 1.5e-07: two digits of exponent at least. */
function writeScientific(count: usize, to: usize): usize {
  writeDigits(digits, to + count)
  let power = <i32>count + exponent - 1
  let at = to + count
  if (count > 1) {
    insertPoint(to, 1)
    at++
  }
  store<u16>(at, power < 0 ? 0x2d65 : 0x2b65)
  at += 2
  power = abs(power)
  if (power >= 100) {
    writeMillis(power, at)
    return at + 3
  }
  storePair(at, power)
  return at + 2
}
