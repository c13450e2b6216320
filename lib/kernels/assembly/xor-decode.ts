// Decoder of XOR chunks (Prometheus tsdb/docs/format/chunks.md) into a column of times and one of values.
// The bit stream is turned once into native 64-bit words; any 64 bits are then two words and two shifts away.
// Owns the checks: it never reads past the words it was given and answers bad bytes with a negative number.

/** The chunk ends within a sample. */
export const TRUNCATED: i32 = -1
/** A variable-length integer of more than 64 bits. */
export const OVERLONG: i32 = -2
/** Leading zeros and significant bits of a value come to more than 64. */
export const BAD_WIDTH: i32 = -3

/** Number of samples a failed decode had read. */
export let failedSample: i32 = 0

export function failAt(sample: i32): void {
  failedSample = sample
}

const MAX_SAFE: f64 = 9007199254740991

let cursor: usize = 0
let overlong: bool = false

/** Reads an unsigned varint of at most 10 bytes at `cursor`; past `end` the cursor stands behind it. */
function uvarint(end: usize): u64 {
  let result: u64 = 0
  for (let shift: u64 = 0; shift < 70; shift += 7) {
    if (cursor >= end) {
      cursor = end + 1
      return 0
    }
    const byte = <u64>load<u8>(cursor++)
    if (shift == 63 && byte > 1) break
    result |= (byte & 0x7f) << shift
    if (byte < 0x80) return result
  }
  overlong = true
  return 0
}

/** Copies [from, end) into 8-byte words of native order at `words`; writes up to 16 bytes more. */
@inline
export function swapWords(from: usize, end: usize, words: usize): void {
  for (let to = words; from < end; from += 16, to += 16) {
    const bytes = v128.load(from)
    v128.store(to, v128.shuffle<u8>(bytes, bytes, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8))
  }
}

/** The 64 bits at bit `pos` of the memory, whose words have been swapped there. */
@inline
export function bitsAt(pos: u64): u64 {
  const at = <usize>(pos >> 6) << 3
  const shift = pos & 63
  return (load<u64>(at) << shift) | ((load<u64>(at, 8) >> 1) >> (63 - shift))
}

/** A number of `width` bits, signed with its upper bound included: x > 2^(width−1) means x − 2^width. */
@inline
function signed(bits: u64, width: u64): i64 {
  return bits > <u64>1 << (width - 1) ? <i64>bits - (<i64>1 << width) : <i64>bits
}

/** Length of the last delta-of-delta, prefix included. */
let dodBits: u64 = 0

/** A delta-of-delta of 14, 17 or 20 bits, from the 64 bits at its place; sets `dodBits`. */
function deltaOfDelta(bits: u64): i64 {
  if (!(bits & (<u64>1 << 62))) {
    dodBits = 16
    return signed((bits >> 48) & 0x3fff, 14)
  }
  if (!(bits & (<u64>1 << 61))) {
    dodBits = 20
    return signed((bits >> 44) & 0x1ffff, 17)
  }
  dodBits = 24
  return signed((bits >> 40) & 0xfffff, 20)
}

/** Times beyond ±(2^53 − 1) come down to it: JavaScript's numbers end there. */
export function clampTimes(from: usize, to: usize): void {
  for (; from < to; from += 8) store<f64>(from, Math.min(Math.max(load<f64>(from), -MAX_SAFE), MAX_SAFE))
}

/** The bits of a number's distance from zero, −1 counting as 0. */
@inline
function magnitude(x: i64): u64 {
  return <u64>(x ^ (x >> 63))
}

/**
 * Decodes `length` bytes at `chunk`: 2 bytes of sample count, then the bit stream. 16 bytes behind the chunk must be readable,
 * `words` hold length + 48 bytes, `times` and `values` the samples that the header tells.
 * Returns the number of samples, or what is wrong as a negative number.
 */
export function decodeXor(chunk: usize, length: i32, words: usize, times: usize, values: usize): i32 {
  failedSample = 0
  if (length < 2) return TRUNCATED
  const count = (<i32>load<u8>(chunk) << 8) | <i32>load<u8>(chunk, 1)
  if (count == 0) return 0
  const end = chunk + <usize>length
  cursor = chunk + 2
  overlong = false
  const zigzag = uvarint(end)
  if (overlong) return OVERLONG
  if (cursor + 8 > end) return TRUNCATED
  const time = <i64>(zigzag >> 1) ^ -<i64>(zigzag & 1)
  const value = bswap<u64>(load<u64>(cursor))
  cursor += 8
  store<f64>(times, <f64>time)
  store<u64>(values, value)
  largestDelta = 0
  if (count > 1) {
    failedSample = 1
    const delta = <i64>uvarint(end)
    if (overlong) return OVERLONG
    if (cursor > end) return TRUNCATED
    const bad = decodeStream(end, words, times, values, count, time, delta, value)
    if (bad < 0) return bad
  }
  // 65,535 steps of less than 2^36 from a time of less than 2^52 stay below 2^53.
  if (magnitude(time) >> 52 || largestDelta >> 36) clampTimes(times, times + (<usize>count << 3))
  return count
}

/** At least the magnitude of every delta of the last stream. */
let largestDelta: u64 = 0

/** Samples from the second on, whose first bit is at `cursor` (the delta before it has been read). */
function decodeStream(
  end: usize,
  words: usize,
  times: usize,
  values: usize,
  count: i32,
  firstTime: i64,
  firstDelta: i64,
  firstValue: u64,
): i32 {
  swapWords(cursor, end, words)
  const endBits = <u64>(words + (end - cursor)) << 3
  const timesEnd = times + (<usize>count << 3)
  const toValue = values - times
  let time = firstTime
  let delta = firstDelta
  let value = firstValue
  let at = times + 8
  // Positions are bits from address 0 on.
  let pos = <u64>words << 3
  let significant: u64 = 64
  let trailing: u64 = 0
  let widest = magnitude(delta)
  // The stream as if a zero bit of delta-of-delta stood before the second sample's value.
  let bits = bitsAt(pos) >> 1
  while (true) {
    // Here `bits` starts with the delta-of-delta's last bit, `pos` is the bit after it.
    time += delta
    bits <<= 1
    if (<i64>bits < 0) {
      if (bits & (<u64>1 << 62)) {
        const leading = (bits >> 57) & 31
        significant = (bits >> 51) & 63
        significant = significant ? significant : 64
        trailing = 64 - leading - significant
        if (<i64>trailing < 0) {
          failedSample = <i32>((at - times) >> 3)
          return BAD_WIDTH
        }
        pos += 13
        bits <<= 13
        // 63 − 13 bits are left of those that were read.
        if (significant > 50) bits = bitsAt(pos)
      } else {
        pos += 2
        bits <<= 2
        if (significant > 61) bits = bitsAt(pos)
      }
      value ^= (bits >> (64 - significant)) << trailing
      pos += significant
    } else pos += 1
    // A sample has at most 145 bits, and 48 bytes behind the stream may be read: once a sample is enough.
    if (pos > endBits) {
      failedSample = <i32>((at - times) >> 3)
      return TRUNCATED
    }
    store<f64>(at, <f64>time)
    store<u64>(at + toValue, value)
    at += 8
    if (at >= timesEnd) break
    bits = bitsAt(pos)
    if (bits < <u64>1 << 48) {
      // Eight samples or more that move by the same delta and keep their value: two zero bits each.
      const inBits = min(clz<u64>(bits) >> 1, (endBits - pos) >> 1)
      const run = min(<usize>inBits << 3, timesEnd - at)
      for (const runEnd = at + run; at < runEnd; at += 8) {
        time += delta
        store<f64>(at, <f64>time)
        store<u64>(at + toValue, value)
      }
      if (at >= timesEnd) break
      pos += run >> 2
      bits = bitsAt(pos)
    }
    if (<i64>bits < 0) {
      if (bits >> 60 == 15) {
        delta += <i64>bitsAt(pos + 4)
        pos += 68
      } else {
        delta += deltaOfDelta(bits)
        pos += dodBits
      }
      widest |= magnitude(delta)
      bits = bitsAt(pos) >> 1
    } else pos += 1
  }
  largestDelta = widest
  return count
}
