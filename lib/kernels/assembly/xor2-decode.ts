// Decoder of XOR2 chunks (Prometheus tsdb/chunkenc/xor2.go) into a column of times, one of values and one of start timestamps.
//
//   count u16 │ start header u8 │ t0 varint │ v0 f64 │ [t0 − st0 varint] │ Δt1 uvarint │ v1 │ [start] │ then, for each sample:
//   0 same Δt, same value │ 10 same Δt, value changed │ 110 + 13, 1110 + 20, 11110 + 64 bits of ΔΔt, value │ 11111 same Δt, stale
//   value: 0 same │ 10 in the last window │ 110 in a new window │ 111 stale; where it is known to have changed: 0, 1 for the windows
//   start: t(i−1) − st(i), the first plain, then its change, as varbit integers, from the sample on that the header tells
//
// A stale sample leaves the value that the next one is compared with alone.
// Owns the checks, as xor-decode.ts does.
import { BAD_WIDTH, bitsAt, clampTimes, failAt, OVERLONG, swapWords, TRUNCATED } from './xor-decode'
import { STALE } from './window'

/** The reader's place, in bits from address 0 on, and whether a varint was too long. */
let pos: u64 = 0
let overlong: bool = false

function uvarint(): u64 {
  let result: u64 = 0
  for (let shift: u64 = 0; shift < 70; shift += 7) {
    const byte = bitsAt(pos) >> 56
    pos += 8
    if (shift == 63 && byte > 1) break
    result |= (byte & 0x7f) << shift
    if (byte < 0x80) return result
  }
  overlong = true
  return 0
}

@inline
function zigzag(value: u64): i64 {
  return <i64>(value >> 1) ^ -<i64>(value & 1)
}

/** A signed varbit integer: a prefix of 0 to 8 ones tells the width. */
function varbitInt(): i64 {
  const bits = bitsAt(pos)
  const ones = min<u64>(clz<u64>(~bits), 8)
  if (ones == 0) {
    pos += 1
    return 0
  }
  const width: u64 =
    ones == 1 ? 3 : ones == 2 ? 6 : ones == 3 ? 9 : ones == 4 ? 12 : ones == 5 ? 18 : ones == 6 ? 25 : ones == 7 ? 56 : 64
  pos += min<u64>(ones + 1, 8)
  const value = bitsAt(pos) >> (64 - width)
  pos += width
  return width < 64 && value > <u64>1 << (width - 1) ? <i64>value - (<i64>1 << width) : <i64>value
}

/** The value that the next one is compared with, and the window of its last change. */
let baseline: u64 = 0
let trailing: u64 = 0
let significant: u64 = 64

/** A change within the last window. */
@inline
function reuseWindow(): u64 {
  baseline ^= (bitsAt(pos) >> (64 - significant)) << trailing
  pos += significant
  return baseline
}

/** A change in a window of its own; a window wider than 64 bits leaves `trailing` above 63. */
@inline
function newWindow(): u64 {
  const bits = bitsAt(pos)
  const width = (bits >> 53) & 63
  significant = width ? width : 64
  trailing = 64 - (bits >> 59) - significant
  pos += 11
  return reuseWindow()
}

/** A value that may be unchanged or stale. */
function anyValue(): u64 {
  const bits = bitsAt(pos)
  if (!(bits >> 63)) {
    pos += 1
    return baseline
  }
  if (!((bits >> 62) & 1)) {
    pos += 2
    return reuseWindow()
  }
  pos += 3
  return (bits >> 61) & 1 ? STALE : newWindow()
}

/** A value that is known to have changed. */
@inline
function changedValue(): u64 {
  const fresh = bitsAt(pos) >> 63
  pos += 1
  return fresh ? newWindow() : reuseWindow()
}

/**
 * Decodes `length` bytes at `chunk`. 16 bytes behind the chunk must be readable, `words` hold length + 48 bytes; `times`,
 * `values` and, where it is not 0, `starts` (0 where a start timestamp is not known) the samples that the header tells.
 * Returns the number of samples, or what is wrong as a negative number.
 */
export function decodeXor2(chunk: usize, length: i32, words: usize, times: usize, values: usize, starts: usize): i32 {
  failAt(0)
  if (length < 3) return TRUNCATED
  const count = (<i32>load<u8>(chunk) << 8) | <i32>load<u8>(chunk, 1)
  const firstStart = load<u8>(chunk, 2) >= 0x80
  const startsChangeAt = <i32>load<u8>(chunk, 2) & 0x7f
  swapWords(chunk + 3, chunk + <usize>length, words)
  pos = <u64>words << 3
  overlong = false
  baseline = 0
  trailing = 0
  significant = 64
  const end = (<u64>words + <u64>(length - 3)) << 3
  let time: i64 = 0
  let delta: i64 = 0
  let start: i64 = 0
  let distance: i64 = 0
  for (let i = 0; i < count; i++) {
    const lastTime = time
    let value: u64 = 0
    if (i > 1) {
      const bits = bitsAt(pos)
      if (!(bits >> 63)) {
        pos += 1
        value = baseline
      } else if (!((bits >> 62) & 1)) {
        pos += 2
        value = changedValue()
      } else if (bits >> 59 == 31) {
        pos += 5
        value = STALE
      } else {
        if (!((bits >> 61) & 1)) {
          delta += <i64>(bits << 3) >> 51
          pos += 16
        } else if (!((bits >> 60) & 1)) {
          delta += <i64>(bits << 4) >> 44
          pos += 24
        } else {
          delta += <i64>bitsAt(pos + 5)
          pos += 69
        }
        value = anyValue()
      }
      time += delta
    } else if (i == 1) {
      delta = <i64>uvarint()
      time += delta
      // After a bad varint the place may be past the words: nothing more is read.
      if (pos <= end) value = anyValue()
    } else {
      time = zigzag(uvarint())
      if (pos > end) return TRUNCATED
      value = bitsAt(pos)
      pos += 64
      if (value != STALE) baseline = value
      if (firstStart && pos <= end) start = time - zigzag(uvarint())
    }
    if (startsChangeAt > 0 && i >= startsChangeAt && pos <= end) {
      const change = varbitInt()
      distance = i == startsChangeAt ? change : distance + change
      start = lastTime - distance
    }
    if (pos > end || overlong || trailing > 63) {
      failAt(i)
      return trailing > 63 ? BAD_WIDTH : overlong ? OVERLONG : TRUNCATED
    }
    const at = <usize>i << 3
    store<f64>(times + at, <f64>time)
    store<u64>(values + at, value)
    if (starts) store<f64>(starts + at, <f64>start)
  }
  clampTimes(times, times + (<usize>count << 3))
  if (starts) clampTimes(starts, starts + (<usize>count << 3))
  return count
}
