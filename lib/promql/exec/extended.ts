// Ranges with samples from beyond their ends: anchored (the sample before each end) and smoothed (a line through those around it).
// Specification: Prometheus 3.14, promql/functions.go (extendedRate, pickFirstSampleIndices) and promql/engine.go (smoothSeries, extendFloats).
// Owns the arithmetic over one series' samples; an experimental feature, so it needs no kernel of its own.

import type { SampleColumns } from '../../kernels/kernels.ts'
import type { Extended } from '../plan/extended.ts'

/** A range (startMs, endMs] and how far beyond its ends samples count. */
export interface ExtendedRange {
  readonly extended: Extended
  readonly startMs: number
  readonly endMs: number
  readonly lookbackMs: number
}

/** Times (ms, ascending) and values of the samples that count for a range. */
interface Samples {
  readonly times: Float64Array
  readonly values: Float64Array
}

const staleBits = 0x7ff0000000000002n

/** A copy of a series' samples without stale markers. */
export function floatSamples(columns: SampleColumns): Samples {
  const bits = columns.valueBits()
  const values = columns.values()
  const keep = (_: number, i: number) => !Number.isNaN(values[i]!) || bits[i] !== staleBits
  return { times: columns.times().filter(keep), values: values.filter(keep) }
}

/** The first index of ascending times at which a time is greater than `afterMs`, their number where none is. */
function firstAfter(times: Float64Array, afterMs: number, count = times.length): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (times[middle]! > afterMs) high = middle
    else low = middle + 1
  }
  return low
}

function countingFor(all: Samples, { extended, startMs, endMs, lookbackMs }: ExtendedRange): Samples {
  const from = firstAfter(all.times, startMs - lookbackMs)
  const to = firstAfter(all.times, extended === 'smoothed' ? endMs + lookbackMs : endMs)
  return { times: all.times.subarray(from, to), values: all.values.subarray(from, to) }
}

/** A function's value over a range; undefined: no sample. */
export function evaluateExtended(func: string, all: Samples, range: ExtendedRange): number | undefined {
  const samples = countingFor(all, range)
  if (samples.times.length === 0) return undefined
  if (func === 'changes' || func === 'resets') return countChanges(func, samples, range)
  if (range.extended === 'smoothed' && samples.times[0]! > range.endMs) return undefined
  const isCounter = func !== 'delta'
  const ends = findEnds(samples, range, isCounter)
  if (ends === undefined) return undefined
  const { first, last, left, right } = ends
  let result = right - left
  if (isCounter) result += resetCorrection(left, right, samples.values.subarray(first, last + 1))
  return func === 'rate' ? result / ((range.endMs - range.startMs) / 1000) : result
}

function countChanges(
  func: 'changes' | 'resets',
  { times, values }: Samples,
  { startMs }: ExtendedRange,
): number | undefined {
  const after = firstAfter(times, startMs)
  if (after >= times.length) return undefined
  let count = 0
  for (let i = Math.max(after, 1); i < times.length; i++) {
    const [before, value] = [values[i - 1]!, values[i]!]
    const same = value === before || (Number.isNaN(value) && Number.isNaN(before))
    if (func === 'resets' ? value < before : !same) count++
  }
  return count
}

/** Values at the two ends, and the first and last sample strictly between them. */
interface Ends {
  readonly first: number
  readonly last: number
  readonly left: number
  readonly right: number
}

function findEnds(samples: Samples, { extended, startMs, endMs }: ExtendedRange, isCounter: boolean): Ends | undefined {
  const { times, values } = samples
  const smoothed = extended === 'smoothed'
  let last = times.length - 1
  let first = Math.max(0, firstAfter(times, startMs, last) - 1)
  if (smoothed) last = firstAfter(times, endMs - 1, last)
  if (times[last]! <= startMs) return undefined
  const left =
    smoothed && times[first]! < startMs
      ? interpolate(samples, { index: first, timeMs: startMs, isCounter })
      : values[first]!
  const right =
    smoothed && last > 0 && times[last]! > endMs
      ? interpolate(samples, { index: last - 1, timeMs: endMs, isCounter })
      : values[last]!
  if (times[first]! <= startMs) first++
  if (times[last]! >= endMs) last--
  return { first, last, left, right }
}

// Between the sample at the index and the next. A counter that was reset between them began at 0.
function interpolate(
  { times, values }: Samples,
  { index, timeMs, isCounter }: { index: number; timeMs: number; isCounter: boolean },
): number {
  const [from, to] = [times[index]!, times[index + 1]!]
  const next = values[index + 1]!
  const before = isCounter && next < values[index]! ? 0 : values[index]!
  return before + ((next - before) * (timeMs - from)) / (to - from)
}

function resetCorrection(left: number, right: number, between: Float64Array): number {
  let correction = 0
  let before = left
  for (const value of [...between, right]) {
    if (value < before) correction += before
    before = value
  }
  return correction
}

/** The samples of a bare range: those within, and one at either end, also where a smoothed one's all come after it. */
export function extendSamples(all: Samples, range: ExtendedRange): Samples {
  const samples = countingFor(all, range)
  const ends = samples.times.length === 0 ? undefined : findEnds(samples, range, false)
  if (ends === undefined) return { times: new Float64Array(0), values: new Float64Array(0) }
  const { first, last, left, right } = ends
  return {
    times: Float64Array.of(range.startMs, ...samples.times.subarray(first, last + 1), range.endMs),
    values: Float64Array.of(left, ...samples.values.subarray(first, last + 1), right),
  }
}

/** The value of a smoothed instant selector: on the line between the samples around the time; the last one where none follows. */
export function smoothedValue(all: Samples, timeMs: number, lookbackMs: number): number | undefined {
  const samples = countingFor(all, { extended: 'smoothed', startMs: timeMs, endMs: timeMs, lookbackMs })
  const { times, values } = samples
  const next = firstAfter(times, timeMs - 1)
  if (times[next] === timeMs) return values[next]
  if (next === 0) return undefined
  if (next === times.length) return values[next - 1]
  return interpolate(samples, { index: next - 1, timeMs, isCounter: false })
}
