// A running sum of histograms: bucket layouts are brought together, counts may carry their Kahan compensation.
// Specification: Prometheus 3.14, model/histogram/float_histogram.go (Add, Sub, KahanAdd, reconcileZeroBuckets).
// Owns the one mutable histogram; what it yields is never changed.

import { type CounterResetHint, customBucketsSchema } from '../chunkenc/float-histogram.ts'
import { equalNumbers, type Histogram } from './histogram.ts'
import {
  addPlainly,
  addTo,
  atSchema,
  beyondZero,
  type Cell,
  commonBounds,
  type Entry,
  entriesOf,
  mapToBounds,
  mergeEntries,
  outsideZero,
  widenZero,
} from './layout.ts'

/** What an addition met. */
export interface Addition {
  /** Exponential and custom buckets: nothing was added. */
  readonly incompatible: boolean
  /** One said that its counter was reset, the other that it was not. */
  readonly hintsCollide: boolean
  /** Custom bounds differed: those that both have are left. */
  readonly boundsReconciled: boolean
}

const incompatible: Addition = { incompatible: true, hintsCollide: false, boundsReconciled: false }

export class HistogramSum {
  #hint: CounterResetHint
  #schema: number
  #zeroThreshold: number
  #customBounds: readonly number[]
  #zero: Cell
  readonly #count: Cell
  readonly #sum: Cell
  #positive: Entry[]
  #negative: Entry[]
  readonly #compensated: boolean

  /** Starts with a histogram. `compensated` sums by Kahan; else plainly, as a single addition does. */
  constructor(start: Histogram, { compensated }: { compensated: boolean }) {
    this.#compensated = compensated
    this.#hint = start.hint
    this.#schema = start.schema
    this.#zeroThreshold = start.zeroThreshold
    this.#customBounds = start.customBounds
    this.#zero = { value: start.zeroCount, lost: 0 }
    this.#count = { value: start.count, lost: 0 }
    this.#sum = { value: start.sum, lost: 0 }
    this.#positive = entriesOf(start.positive)
    this.#negative = entriesOf(start.negative)
  }

  add(other: Histogram): Addition {
    return this.#combine(other, 1)
  }

  subtract(other: Histogram): Addition {
    return this.#combine(other, -1)
  }

  /** Changes every number, and what was lost of it, alike: for products and quotients. */
  scale(by: (value: number) => number): void {
    for (const cell of this.#cells()) {
      cell.value = by(cell.value)
      cell.lost = by(cell.lost)
    }
  }

  copy(): HistogramSum {
    const copy = new HistogramSum(this.value(), { compensated: this.#compensated })
    const from = this.#cells()
    copy.#cells().forEach((cell, i) => {
      cell.lost = from[i]!.lost
    })
    return copy
  }

  overflows(): boolean {
    return this.#cells().some(({ value }) => value === Infinity || value === -Infinity)
  }

  /** The sum without its compensation. */
  value(): Histogram {
    return this.#build(({ value }) => value)
  }

  /** The sum with its compensation; buckets within the zero bucket, which should have none, do without, as in Prometheus. */
  total(): Histogram {
    const within = new Set<Cell>([...this.#withinZero(this.#positive), ...this.#withinZero(this.#negative)])
    return this.#build((cell) => (within.size > 0 && within.has(cell) ? cell.value : cell.value + cell.lost))
  }

  #withinZero(entries: readonly Entry[]): readonly Entry[] {
    if (this.#schema === customBucketsSchema) return []
    const beyond = beyondZero(entries, this.#schema, this.#zeroThreshold)
    return entries.slice(0, entries.length - beyond.length)
  }

  #cells(): Cell[] {
    return [this.#zero, this.#count, this.#sum, ...this.#positive, ...this.#negative]
  }

  #build(number: (cell: Cell) => number): Histogram {
    const buckets = (entries: readonly Entry[]) => ({
      indexes: entries.map(({ index }) => index),
      counts: entries.map(number),
    })
    return {
      hint: this.#hint,
      schema: this.#schema,
      zeroThreshold: this.#zeroThreshold,
      zeroCount: number(this.#zero),
      count: number(this.#count),
      sum: number(this.#sum),
      positive: buckets(this.#positive),
      negative: buckets(this.#negative),
      customBounds: this.#customBounds,
    }
  }

  #combine(other: Histogram, sign: 1 | -1): Addition {
    const custom = this.#schema === customBucketsSchema
    if (custom !== (other.schema === customBucketsSchema)) return incompatible
    const hintsCollide = this.#mergeHint(other.hint)
    if (!custom) this.#mergeZero(other, sign)
    this.#increase(this.#count, sign * other.count)
    this.#increase(this.#sum, sign * other.sum)
    const boundsReconciled = custom && this.#mergeCustom(other, sign)
    if (!custom) this.#mergeExponential(other, sign)
    return { incompatible: false, hintsCollide, boundsReconciled }
  }

  #increase(cell: Cell, amount: number): void {
    if (this.#compensated) addTo(cell, amount)
    else addPlainly(cell, amount)
  }

  /** A gauge makes the sum a gauge, the unknown makes it unknown; returns whether the two contradict each other. */
  #mergeHint(other: CounterResetHint): boolean {
    if (other === this.#hint || this.#hint === 'gauge') return false
    if (other === 'gauge') {
      this.#hint = 'gauge'
      return false
    }
    const collide = this.#hint !== 'unknown' && other !== 'unknown'
    this.#hint = 'unknown'
    return collide
  }

  // Either side may have to grow for the other, and grow further than asked, until both meet.
  #mergeZero(other: Histogram, sign: 1 | -1): void {
    const { schema } = other
    const theirs = { positive: entriesOf(other.positive), negative: entriesOf(other.negative), schema }
    const start = { zero: { value: other.zeroCount, lost: 0 }, threshold: other.zeroThreshold }
    let { zero, threshold } = start
    while (threshold !== this.#zeroThreshold) {
      if (threshold < this.#zeroThreshold) {
        ;({ zero, threshold } = widenZero({ ...theirs, ...start }, this.#zeroThreshold))
      }
      if (threshold > this.#zeroThreshold) this.#widen(threshold)
    }
    this.#increase(this.#zero, sign * zero.value)
    if (this.#compensated) addTo(this.#zero, sign * zero.lost)
  }

  #widen(wanted: number): void {
    const ours = { positive: this.#positive, negative: this.#negative, schema: this.#schema }
    const { zero, threshold } = widenZero({ ...ours, zero: this.#zero, threshold: this.#zeroThreshold }, wanted)
    this.#zero = this.#compensated ? zero : { value: zero.value, lost: 0 }
    this.#zeroThreshold = threshold
    this.#positive = outsideZero(this.#positive, this.#schema, threshold)
    this.#negative = outsideZero(this.#negative, this.#schema, threshold)
  }

  #mergeExponential(other: Histogram, sign: 1 | -1): void {
    const add = this.#compensated ? addTo : addPlainly
    const schema = Math.min(this.#schema, other.schema)
    const ours = (entries: Entry[]) =>
      this.#schema > schema ? atSchema(entries, { from: this.#schema, to: schema }, add) : entries
    const theirs = (entries: Entry[]) => {
      const reduced = other.schema > schema ? atSchema(entries, { from: other.schema, to: schema }, add) : entries
      return beyondZero(reduced, schema, this.#zeroThreshold)
    }
    this.#positive = mergeEntries(ours(this.#positive), theirs(entriesOf(other.positive, sign)), add)
    this.#negative = mergeEntries(ours(this.#negative), theirs(entriesOf(other.negative, sign)), add)
    this.#schema = schema
  }

  #mergeCustom(other: Histogram, sign: 1 | -1): boolean {
    const theirs = entriesOf(other.positive, sign)
    if (equalNumbers(this.#customBounds, other.customBounds)) {
      this.#positive = mergeEntries(this.#positive, theirs, this.#compensated ? addTo : addPlainly)
      return false
    }
    const target = commonBounds(this.#customBounds, other.customBounds)
    const into: Entry[] = Array.from({ length: target.length + 1 }, (_, index) => ({ index, value: 0, lost: 0 }))
    mapToBounds(this.#positive, { bounds: this.#customBounds, target, into })
    mapToBounds(theirs, { bounds: other.customBounds, target, into })
    this.#positive = into.filter(({ value, lost }) => value !== 0 || lost !== 0)
    if (!this.#compensated) for (const entry of this.#positive) entry.lost = 0
    this.#customBounds = target
    return true
  }
}

/** One histogram and another. */
export function addHistograms(a: Histogram, b: Histogram): { sum: Histogram; met: Addition } {
  const sum = new HistogramSum(a, { compensated: false })
  const met = sum.add(b)
  return { sum: sum.value(), met }
}

/** One histogram less another. */
export function subtractHistograms(a: Histogram, b: Histogram): { difference: Histogram; met: Addition } {
  const sum = new HistogramSum(a, { compensated: false })
  const met = sum.subtract(b)
  return { difference: sum.value(), met }
}
