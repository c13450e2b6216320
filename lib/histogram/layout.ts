// Bucket counts while they are summed: one entry a bucket, brought to another resolution, zero bucket or set of bounds.
// Specification: Prometheus 3.14, model/histogram/float_histogram.go (addBuckets, reduceResolution, zeroCountForLargerThreshold).
// Owns the entries and Kahan's step; sum.ts decides which layout two histograms meet in.

import { exponentialBound, indexAtSchema } from './bounds.ts'
import type { Buckets } from './histogram.ts'

/** A number, and what its roundings lost where that is kept. */
export interface Cell {
  value: number
  lost: number
}

export interface Entry extends Cell {
  index: number
}

export function entriesOf({ indexes, counts }: Buckets, sign: 1 | -1 = 1): Entry[] {
  return indexes.map((index, i) => ({ index, value: sign * counts[i]!, lost: 0 }))
}

/** Adds by Neumaier's variant of Kahan's summation. */
export function addTo(cell: Cell, amount: number): void {
  const total = cell.value + amount
  if (total === Infinity || total === -Infinity) cell.lost = 0
  else if (Math.abs(cell.value) >= Math.abs(amount)) cell.lost += cell.value - total + amount
  else cell.lost += amount - total + cell.value
  cell.value = total
}

export function addPlainly(cell: Cell, amount: number): void {
  cell.value += amount
}

type Add = (cell: Cell, amount: number) => void

/** Entries at a lower resolution. */
export function atSchema(entries: readonly Entry[], { from, to }: { from: number; to: number }, add: Add): Entry[] {
  const merged: Entry[] = []
  for (const entry of entries) {
    const index = indexAtSchema(entry.index, from, to)
    const last = merged.at(-1)
    if (last?.index === index) {
      add(last, entry.value)
      if (entry.lost !== 0) add(last, entry.lost)
    } else {
      merged.push({ ...entry, index })
    }
  }
  return merged
}

/** Both, each in order of its indexes, as one; entries of the first are changed. */
export function mergeEntries(into: readonly Entry[], from: readonly Entry[], add: Add): Entry[] {
  const merged: Entry[] = []
  let i = 0
  for (const entry of from) {
    while (i < into.length && into[i]!.index < entry.index) merged.push(into[i++]!)
    const same = into[i]
    if (same?.index !== entry.index) {
      merged.push(entry)
      continue
    }
    add(same, entry.value)
    if (entry.lost !== 0) add(same, entry.lost)
  }
  while (i < into.length) merged.push(into[i++]!)
  return merged
}

/** Without the leading entries that lie within the zero bucket. */
export function beyondZero(entries: readonly Entry[], schema: number, threshold: number): readonly Entry[] {
  const first = entries.findIndex(({ index }) => exponentialBound(index, schema) > threshold)
  return first === 0 ? entries : first < 0 ? [] : entries.slice(first)
}

/** A zero bucket and the buckets around it, of an exponential schema. */
export interface AroundZero {
  readonly zero: Cell
  readonly threshold: number
  readonly schema: number
  readonly positive: readonly Entry[]
  readonly negative: readonly Entry[]
}

/** The zero bucket at a greater threshold, which grows on where it would cut a bucket that holds anything. */
export function widenZero(h: AroundZero, wanted: number): { zero: Cell; threshold: number } {
  if (wanted === h.threshold) return { zero: { ...h.zero }, threshold: wanted }
  const zero = { value: 0, lost: h.zero.lost }
  let threshold = wanted
  for (;;) {
    zero.value = h.zero.value
    threshold = swallow(zero, h.positive, h.schema, threshold)
    const wider = swallow(zero, h.negative, h.schema, threshold)
    if (wider === threshold) return { zero, threshold }
    // The positive side may reach into the wider bucket as well: once more from the start.
    threshold = wider
  }
}

/** Adds the entries that begin below the threshold; returns it, or the end of one that it would cut. */
function swallow(zero: Cell, entries: readonly Entry[], schema: number, threshold: number): number {
  for (const { index, value, lost } of entries) {
    if (exponentialBound(index - 1, schema) >= threshold) break
    addTo(zero, value)
    if (lost !== 0) addTo(zero, lost)
    const end = exponentialBound(index, schema)
    if (end > threshold) return value === 0 ? threshold : end
  }
  return threshold
}

/** Without what a zero bucket of this threshold has taken in, and without empty entries. */
export function outsideZero(entries: readonly Entry[], schema: number, threshold: number): Entry[] {
  return entries.filter(
    ({ index, value, lost }) => exponentialBound(index - 1, schema) >= threshold && (value !== 0 || lost !== 0),
  )
}

/** Bounds that both lists have. */
export function commonBounds(a: readonly number[], b: readonly number[]): number[] {
  const others = new Set(b)
  return a.filter((bound) => others.has(bound))
}

/** Adds entries of custom buckets into those of fewer bounds (`into` has one cell more than there are target bounds). */
export function mapToBounds(
  entries: readonly Entry[],
  { bounds, target, into }: { bounds: readonly number[]; target: readonly number[]; into: readonly Cell[] },
): void {
  let at = 0
  for (const { index, value, lost } of entries) {
    while (at < target.length && !(index < bounds.length && target[at]! >= bounds[index]!)) at++
    addTo(into[at]!, value)
    if (lost !== 0) addTo(into[at]!, lost)
  }
}
