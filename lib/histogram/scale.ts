// A histogram times a number, divided by one, and at a lower resolution.
// Specification: Prometheus 3.14, model/histogram/float_histogram.go (Mul, Div, CopyToSchema).
// Owns no more than these.

import { type Histogram, noBuckets } from './histogram.ts'
import { addPlainly, atSchema, type Entry, entriesOf } from './layout.ts'

/** All counts and the sum times a factor; by a negative one the result is a gauge. */
export function multiply(h: Histogram, factor: number): Histogram {
  return mapNumbers(h, (value) => value * factor, factor < 0)
}

/** All counts and the sum divided; by zero no bucket is left. */
export function divide(h: Histogram, divisor: number): Histogram {
  const scaled = mapNumbers(h, (value) => value / divisor, divisor < 0)
  return divisor === 0 ? { ...scaled, positive: noBuckets, negative: noBuckets } : scaled
}

function mapNumbers(h: Histogram, by: (value: number) => number, toGauge: boolean): Histogram {
  return {
    ...h,
    hint: toGauge ? 'gauge' : h.hint,
    zeroCount: by(h.zeroCount),
    count: by(h.count),
    sum: by(h.sum),
    positive: { indexes: h.positive.indexes, counts: h.positive.counts.map(by) },
    negative: { indexes: h.negative.indexes, counts: h.negative.counts.map(by) },
  }
}

/** The same at a schema that is no higher than its own. Not for custom buckets. */
export function toSchema(h: Histogram, schema: number): Histogram {
  if (schema === h.schema) return h
  const reduce = (entries: Entry[]) => {
    const reduced = atSchema(entries, { from: h.schema, to: schema }, addPlainly)
    return { indexes: reduced.map(({ index }) => index), counts: reduced.map(({ value }) => value) }
  }
  return {
    ...h,
    hint: 'unknown',
    schema,
    positive: reduce(entriesOf(h.positive)),
    negative: reduce(entriesOf(h.negative)),
  }
}
