// Points of a series as JSON: `[1700006400.05,"1.5"],…`.
// Format: Prometheus's HTTP API (web/api/v1/json_codec.go); the plain twin is lib/promql/format-number.ts.
import { writeFloat, writeInteger, writeMillis } from './decimal'

/**
 * Writes `count` points of times (whole ms) and values, a comma behind each; returns where they end. A point takes at most 64 bytes,
 * and 64 more are written over behind the last one.
 */
export function writePoints(times: usize, values: usize, count: i32, to: usize): usize {
  for (const end = times + (<usize>count << 3); times < end; times += 8, values += 8) {
    store<u8>(to++, 0x5b)
    to = writeTime(load<f64>(times), to)
    store<u16>(to, 0x222c)
    to = writeFloat(load<f64>(values), to + 2)
    store<u32>(to, 0x2c5d22)
    to += 3
  }
  return to
}

/** Seconds, with three digits of milliseconds where there are some. */
@inline
function writeTime(timeMs: f64, to: usize): usize {
  if (timeMs < 0) store<u8>(to++, 0x2d)
  const ms = <u64>abs(timeMs)
  const seconds = ms / 1000
  const rest = <u32>(ms - seconds * 1000)
  to = writeInteger(seconds, to)
  if (rest == 0) return to
  store<u8>(to, 0x2e)
  writeMillis(rest, to + 1)
  return to + 4
}
