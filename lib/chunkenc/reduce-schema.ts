// Histograms of a finer resolution than any that is in use: read at the finest known one, as Prometheus reads them.
// Specification: Prometheus 3.14, tsdb/chunkenc (AtHistogram) and model/histogram/generic.go (reduceResolution).
// Owns which schemas are read.
import { customBucketsSchema, type FloatHistogram, type Span } from './float-histogram.ts'

/** The finest resolution that is computed with. */
const finestSchema = 8
/** Schemas that may be read; those above the finest one are reserved for a later Prometheus. */
const [lowestSchema, highestSchema] = [-9, 52]

export const readableSchemas = `${lowestSchema} to ${highestSchema} or ${customBucketsSchema}`

export function isReadableSchema(schema: number): boolean {
  return schema === customBucketsSchema || (schema >= lowestSchema && schema <= highestSchema)
}

/** The histogram at schema 8 where its own is above that. */
export function atKnownSchema(histogram: FloatHistogram): FloatHistogram {
  if (histogram.schema <= finestSchema) return histogram
  const perBucket = 2 ** (histogram.schema - finestSchema)
  const positive = merge(histogram.positiveSpans, histogram.positiveBuckets, perBucket)
  const negative = merge(histogram.negativeSpans, histogram.negativeBuckets, perBucket)
  return {
    ...histogram,
    schema: finestSchema,
    positiveSpans: positive.spans,
    negativeSpans: negative.spans,
    positiveBuckets: positive.buckets,
    negativeBuckets: negative.buckets,
  }
}

function merge(
  spans: readonly Span[],
  buckets: Float64Array,
  perBucket: number,
): { spans: Span[]; buckets: Float64Array } {
  const merged: { offset: number; length: number }[] = []
  const counts: number[] = []
  let index = 0
  let at = 0
  let last: number | undefined
  for (const { offset, length } of spans) {
    index += offset
    for (let i = 0; i < length; i++, index++) {
      const coarse = Math.floor((index - 1) / perBucket) + 1
      const count = buckets[at++]!
      if (coarse === last) counts[counts.length - 1]! += count
      else {
        counts.push(count)
        if (last !== undefined && coarse === last + 1) merged.at(-1)!.length++
        else merged.push({ offset: coarse - (last === undefined ? 0 : last + 1), length: 1 })
        last = coarse
      }
    }
  }
  return { spans: merged, buckets: Float64Array.from(counts) }
}
