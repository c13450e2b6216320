// Whether a counter was reset between two histograms of a series.
// Specification: Prometheus 3.14, model/histogram/float_histogram.go (DetectReset): the hint decides where it is known.
// Owns the comparison of buckets at the resolution and zero threshold of the later one.

import { equalNumbers, type Histogram, isCustom } from './histogram.ts'
import {
  addPlainly,
  atSchema,
  beyondZero,
  type Cell,
  commonBounds,
  type Entry,
  entriesOf,
  mapToBounds,
  widenZero,
} from './layout.ts'

export function detectReset(current: Histogram, previous: Histogram): boolean {
  if (current.hint === 'reset') return true
  if (current.hint === 'not_reset') return false
  if (current.count < previous.count) return true
  if (isCustom(current)) {
    if (!isCustom(previous)) return true
    if (!equalNumbers(current.customBounds, previous.customBounds)) return fellBetweenCommonBounds(current, previous)
  }
  // Resolution and zero bucket change to finer ones by a restart alone.
  if (current.schema > previous.schema || current.zeroThreshold < previous.zeroThreshold) return true
  return zeroFell(current, previous) || sideFell(current, previous, true) || sideFell(current, previous, false)
}

function zeroFell(current: Histogram, previous: Histogram): boolean {
  if (isCustom(current)) return false
  const around = {
    zero: { value: previous.zeroCount, lost: 0 },
    threshold: previous.zeroThreshold,
    schema: previous.schema,
    positive: entriesOf(previous.positive),
    negative: entriesOf(previous.negative),
  }
  const { zero, threshold } = widenZero(around, current.zeroThreshold)
  return threshold !== current.zeroThreshold || current.zeroCount < zero.value
}

function sideFell(current: Histogram, previous: Histogram, positive: boolean): boolean {
  const before = comparable(previous, current, positive)
  const now = new Map(comparable(current, current, positive).map(({ index, value }) => [index, value]))
  return before.some(({ index, value }) => {
    const count = now.get(index)
    return count === undefined ? value !== 0 : count < value
  })
}

function comparable(h: Histogram, at: Histogram, positive: boolean): readonly Entry[] {
  const entries = entriesOf(positive ? h.positive : h.negative)
  if (isCustom(h)) return entries
  const reduced = h.schema === at.schema ? entries : atSchema(entries, { from: h.schema, to: at.schema }, addPlainly)
  return at.zeroThreshold === 0 ? reduced : beyondZero(reduced, at.schema, at.zeroThreshold)
}

function fellBetweenCommonBounds(current: Histogram, previous: Histogram): boolean {
  const target = commonBounds(current.customBounds, previous.customBounds)
  const countsOf = ({ positive, customBounds }: Histogram) => {
    const into: Cell[] = Array.from({ length: target.length + 1 }, () => ({ value: 0, lost: 0 }))
    mapToBounds(entriesOf(positive), { bounds: customBounds, target, into })
    return into
  }
  const before = countsOf(previous)
  return countsOf(current).some(({ value }, i) => value < before[i]!.value)
}
