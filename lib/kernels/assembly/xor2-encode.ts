// Encoder of XOR2 chunks, byte for byte as Prometheus's appender (tsdb/chunkenc/xor2.go) writes them; xor2-decode.ts has the format.
// Owns the order of fields; the bit writer is xor-encode.ts's. The caller gives room for 28 bytes a sample and 48 more.
import { STALE } from './window'
import { endBits, put, putUvarint, startBits } from './xor-encode'

/** From here on start timestamps are written even where none has changed: the header has seven bits for the place. */
const LAST_CHANGE_AT: i32 = 127

@inline
function zigzag(value: i64): u64 {
  return (<u64>value << 1) ^ <u64>(value >> 63)
}

function putVarbit(value: i64): void {
  const bits = <u64>value
  if (value == 0) put(0, 1)
  else if (value >= -3 && value <= 4) put((0b10 << 3) | (bits & 7), 5)
  else if (value >= -31 && value <= 32) put((0b110 << 6) | (bits & 0x3f), 9)
  else if (value >= -255 && value <= 256) put((0b1110 << 9) | (bits & 0x1ff), 13)
  else if (value >= -2047 && value <= 2048) put((0b11110 << 12) | (bits & 0xfff), 17)
  else if (value >= -131071 && value <= 131072) put((0b111110 << 18) | (bits & 0x3ffff), 24)
  else if (value >= -16777215 && value <= 16777216) put((0b1111110 << 25) | (bits & 0x1ffffff), 32)
  else if (value >= -36028797018963967 && value <= 36028797018963968)
    put((<u64>0b11111110 << 56) | (bits & 0xffffffffffffff), 64)
  else {
    put(0xff, 8)
    put(bits, 64)
  }
}

/** The window of the last change; no number of leading zeros reaches 255. */
let leading: u64 = 255
let trailing: u64 = 0

/** Writes a change: `reuse` and the bits where they fit the last window, else `fresh` and a window of its own. */
function putChange(xor: u64, reuse: u64, fresh: u64, prefixWidth: u64): void {
  const newLeading = min<u64>(clz<u64>(xor), 31)
  const newTrailing = ctz<u64>(xor)
  if (newLeading >= leading && newTrailing >= trailing) {
    put(reuse, prefixWidth)
    put(xor >> trailing, 64 - leading - trailing)
    return
  }
  leading = newLeading
  trailing = newTrailing
  const significant = 64 - leading - trailing
  // The new window's prefix is one bit longer where a stale marker has a prefix, too.
  put(fresh, prefixWidth == 2 ? 3 : 1)
  put((leading << 6) | (significant & 63), 11)
  put(xor >> trailing, significant)
}

function putAnyValue(value: u64, baseline: u64): void {
  if (value == STALE) put(0b111, 3)
  else if (value == baseline) put(0, 1)
  else putChange(value ^ baseline, 0b10, 0b110, 2)
}

/** A sample from the third on. */
function putJoint(dod: i64, value: u64, baseline: u64): void {
  if (dod == 0) {
    if (value == STALE) put(0b11111, 5)
    else if (value == baseline) put(0, 1)
    else {
      put(0b10, 2)
      putChange(value ^ baseline, 0, 1, 1)
    }
    return
  }
  if (dod >= -4096 && dod <= 4095) put((0b110 << 13) | (<u64>dod & 0x1fff), 16)
  else if (dod >= -524288 && dod <= 524287) put((0b1110 << 20) | (<u64>dod & 0xfffff), 24)
  else {
    put(0b11110, 5)
    put(<u64>dod, 64)
  }
  putAnyValue(value, baseline)
}

/** Encodes `count` (at most 65,535) samples to `chunk`, with start timestamps where `starts` is not 0; returns the number of bytes. */
export function encodeXor2(times: usize, values: usize, starts: usize, count: i32, chunk: usize): i32 {
  store<u8>(chunk, count >> 8)
  store<u8>(chunk, count, 1)
  store<u8>(chunk, 0, 2)
  startBits(chunk + 3)
  leading = 255
  trailing = 0
  let time: i64 = 0
  let delta: i64 = 0
  let baseline: u64 = 0
  let start: i64 = 0
  let distance: i64 = 0
  let changed = false
  for (let i = 0; i < count; i++) {
    const at = <usize>i << 3
    const nextTime = <i64>load<f64>(times + at)
    const value = load<u64>(values + at)
    const nextStart = starts ? <i64>load<f64>(starts + at) : 0
    const nextDelta = nextTime - time
    if (i == 0) {
      putUvarint(zigzag(nextTime))
      put(value, 64)
      if (nextStart != 0) {
        putUvarint(zigzag(nextTime - nextStart))
        store<u8>(chunk, 0x80, 2)
      }
    } else {
      if (i == 1) {
        putUvarint(<u64>nextDelta)
        putAnyValue(value, baseline)
      } else putJoint(nextDelta - delta, value, baseline)
      const nextDistance = time - nextStart
      if (changed) putVarbit(nextDistance - distance)
      else if (nextStart != start || i == LAST_CHANGE_AT) {
        changed = true
        store<u8>(chunk, load<u8>(chunk, 2) | <u8>i, 2)
        putVarbit(nextDistance)
      }
      distance = nextDistance
      delta = nextDelta
    }
    time = nextTime
    start = nextStart
    if (value != STALE) baseline = value
  }
  return <i32>(endBits() - chunk)
}
