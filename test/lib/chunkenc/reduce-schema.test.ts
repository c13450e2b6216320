// Chunks of resolutions that a later Prometheus may write: read at schema 8, bucket by bucket; unknown schemas are refused.
import { expect, test } from 'vitest'
import { cutHistograms } from '../../../lib/chunkenc/cut-histograms.ts'
import { decodeHistogramChunk } from '../../../lib/chunkenc/decode-histogram.ts'
import type { FloatHistogram, HistogramSample, Span } from '../../../lib/chunkenc/float-histogram.ts'

function chunkOf(schema: number, integer: boolean) {
  const histogram: FloatHistogram = {
    counterResetHint: 'unknown',
    schema,
    zeroThreshold: 0.001,
    zeroCount: 2,
    count: 2 + 36,
    sum: 12.5,
    positiveSpans: [
      { offset: -5, length: 4 },
      { offset: 10, length: 3 },
    ],
    negativeSpans: [{ offset: 100, length: 1 }],
    positiveBuckets: Float64Array.of(1, 2, 3, 4, 5, 6, 7),
    negativeBuckets: Float64Array.of(8),
    customValues: new Float64Array(),
  }
  const sample: HistogramSample = { timeMs: 1000, startTimeMs: 0, stale: false, integer, histogram }
  return cutHistograms([sample])[0]!
}

function bucketsOf(spans: readonly Span[], counts: Float64Array): Map<number, number> {
  const buckets = new Map<number, number>()
  let index = 0
  let at = 0
  for (const { offset, length } of spans) {
    index += offset
    for (let i = 0; i < length; i++, index++) buckets.set(index, counts[at++]!)
  }
  return buckets
}

test.each([
  [9, true],
  [12, false],
  [45, true],
  [52, false],
])('schema %i is read at 8 (integers: %s)', (schema, integer) => {
  const chunk = chunkOf(schema, integer)
  const [{ histogram } = chunkMissing()] = decodeHistogramChunk(chunk.encoding, chunk.data)
  expect(histogram).toMatchObject({ schema: 8, zeroThreshold: 0.001, zeroCount: 2, count: 38, sum: 12.5 })
  const want = new Map<number, number>()
  for (const [i, index] of [-5, -4, -3, -2, 9, 10, 11].entries()) {
    const coarse = Math.floor((index - 1) / 2 ** (schema - 8)) + 1
    want.set(coarse, (want.get(coarse) ?? 0) + i + 1)
  }
  expect(bucketsOf(histogram.positiveSpans, histogram.positiveBuckets)).toEqual(want)
  expect([...bucketsOf(histogram.negativeSpans, histogram.negativeBuckets).values()]).toEqual([8])
})

test.each([-10, 53, -52])('schema %i is refused', (schema) => {
  const { encoding, data } = chunkOf(schema, true)
  expect(() => decodeHistogramChunk(encoding, data)).toThrow(expect.objectContaining({ code: 'unsupported' }))
})

function chunkMissing(): never {
  throw new Error('the chunk has no sample')
}
