// rate, increase and irate of floats with start timestamps, a window at a time.
// Specification: Prometheus 3.14, promql/functions.go (extrapolatedRate, instantValue).
// Owns no more than floats that have such times: all others are the kernels'.

import { extrapolation, type RateKind, zeroWithin } from './extrapolate.ts'
import { type Started, startedAnew, startsOverlap } from './start-times.ts'

export interface TimedFloat extends Started {
  readonly value: number
}

/** At least one sample, times ascending. */
export interface FloatWindow {
  readonly floats: readonly TimedFloat[]
  readonly startMs: number
  readonly endMs: number
}

/** Of a counter; undefined where one sample is all there is and nothing tells where it began. */
export function startedRate(window: FloatWindow, kind: RateKind, onOverlap: () => void): number | undefined {
  const { floats, startMs, endMs } = window
  const first = floats[0]!
  const last = floats.at(-1)!
  const zeroAtMs = zeroWithin(window, first)
  if (floats.length < 2 && zeroAtMs === undefined) return undefined
  let increase = last.value - first.value
  let overlaps = false
  for (let i = 1; i < floats.length; i++) {
    const [before, sample] = [floats[i - 1]!, floats[i]!]
    overlaps ||= startsOverlap(before, sample)
    if (sample.value < before.value || startedAnew(before, sample)) increase += before.value
  }
  if (overlaps) onOverlap()
  if (zeroAtMs !== undefined) increase += first.value
  const times = { startMs, endMs, firstMs: first.timeMs, lastMs: last.timeMs, samples: floats.length, zeroAtMs }
  return increase * extrapolation({ ...times, firstValue: first.value, increase }, kind)
}

/** irate: per second between the last two samples. */
export function startedInstantRate(before: TimedFloat, last: TimedFloat): number {
  const anew = last.value < before.value || startedAnew(before, last)
  const increase = anew ? last.value : last.value - before.value
  return increase / ((last.timeMs - before.timeMs) / 1000)
}
