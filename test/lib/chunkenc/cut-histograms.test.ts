// Histogram samples cut into chunks and read back: golden chunks come out as one, random series as they went in.
import { expect, test } from 'vitest'
import { cutHistograms } from '../../../lib/chunkenc/cut-histograms.ts'
import { decodeHistogramChunk, isHistogramEncoding, staleHistogram } from '../../../lib/chunkenc/decode-histogram.ts'
import type { FloatHistogram, HistogramSample, Span } from '../../../lib/chunkenc/float-histogram.ts'
import { readHistogramHeader } from '../../../lib/chunkenc/histogram-layout.ts'
import { BlockReader } from '../../../lib/tsdb/block-reader.ts'
import { goldenBlocks, readDump } from '../../support/golden.ts'
import { Random, seed } from '../../support/random.ts'

const blocks = goldenBlocks().filter(({ name }) => name.includes('histograms'))

test.each(blocks)('$name: the samples of a chunk make the chunk again', async (block) => {
  const reader = await BlockReader.open(block.folder)
  for (const series of readDump(block)) {
    const metas = series.chunks.filter(({ encoding, samples }) => isHistogramEncoding(encoding) && samples <= 120)
    for (const { encoding, data } of await reader.chunks.read(metas.map(({ ref }) => ref))) {
      const samples = decodeHistogramChunk(encoding, data)
      const [chunk, ...more] = cutHistograms(samples)
      expect(more).toEqual([])
      expect(chunk!.numSamples).toBe(samples.length)
      // What the header says of the chunk before is not in the samples: only gauges are known.
      const want = Uint8Array.from(data)
      const at = encoding > 4 ? 0 : 2
      if (readHistogramHeader(encoding, data).reset !== 'gauge') want[at]! &= 0x3f
      const started = samples.some(({ startTimeMs }) => startTimeMs !== 0)
      if (started === encoding > 4) expect(chunk!.data).toEqual(want)
      expect(decodeHistogramChunk(chunk!.encoding, chunk!.data)).toEqual(samples)
    }
  }
  await reader.close()
})

/** Buckets by index, empty ones left out. */
function bucketsOf(spans: readonly Span[], buckets: Float64Array): [number, number][] {
  const found: [number, number][] = []
  let index = 0
  let at = 0
  for (const { offset, length } of spans) {
    index += offset
    for (let i = 0; i < length; i++, index++, at++) if (buckets[at] !== 0) found.push([index, buckets[at]!])
  }
  return found
}

/** What must survive: all but the layout and the hint. */
function essence({ timeMs, startTimeMs, stale, integer, histogram: h }: HistogramSample) {
  if (stale) return { timeMs, startTimeMs, stale, integer }
  const { schema, zeroThreshold, zeroCount, count, sum, customValues } = h
  const buckets = [bucketsOf(h.positiveSpans, h.positiveBuckets), bucketsOf(h.negativeSpans, h.negativeBuckets)]
  const gauge = h.counterResetHint === 'gauge'
  return {
    timeMs,
    startTimeMs,
    stale,
    integer,
    schema,
    zeroThreshold,
    zeroCount,
    count,
    sum,
    customValues,
    buckets,
    gauge,
  }
}

class Model {
  readonly #random: Random
  #counts = new Map<number, number>()
  #integer: boolean
  #gauge: boolean
  #schema = 3
  #timeMs: number
  #startMs = 0

  constructor(random: Random) {
    this.#random = random
    this.#integer = random.chance(0.5)
    this.#gauge = random.chance(0.3)
    this.#timeMs = random.below(2 ** 41)
  }

  next(): HistogramSample {
    const random = this.#random
    this.#timeMs += 1 + random.below(random.pick([30_000, 2 ** 33]))
    if (random.chance(0.03)) this.#startMs = this.#timeMs - random.below(1e6)
    if (random.chance(0.02)) this.#counts = new Map()
    if (random.chance(0.02)) this.#schema = random.pick([-53, -4, 0, 8])
    if (random.chance(0.01)) this.#gauge = !this.#gauge
    if (random.chance(0.01)) this.#integer = !this.#integer
    for (let i = random.below(4); i > 0; i--) {
      const index = this.#schema === -53 ? random.below(5) : random.below(30) - 10
      const step = random.below(random.pick([5, 1e9])) + (this.#integer ? 0 : random.float())
      this.#counts.set(index, (this.#gauge ? 0 : (this.#counts.get(index) ?? 0)) + step)
    }
    const stale = random.chance(0.02)
    const sample = { timeMs: this.#timeMs, startTimeMs: this.#startMs, stale, integer: this.#integer }
    return { ...sample, histogram: stale ? staleHistogram() : this.#histogram() }
  }

  #histogram(): FloatHistogram {
    const indices = [...this.#counts.keys()].filter((i) => this.#schema !== -53 || i >= 0).sort((a, b) => a - b)
    const spans: Span[] = []
    let next = 0
    for (const index of indices) {
      spans.push({ offset: index - next, length: 1 })
      next = index + 1
    }
    const buckets = Float64Array.from(indices, (i) => Math.floor(this.#counts.get(i)!) + (this.#integer ? 0 : 0.5))
    return {
      counterResetHint: this.#gauge ? 'gauge' : 'unknown',
      schema: this.#schema,
      zeroThreshold: this.#random.chance(0.01) ? 0.3 : 2 ** -128,
      zeroCount: buckets.length,
      count: buckets.reduce((a, b) => a + b, buckets.length),
      sum: this.#random.float() * 1e6 - 1000,
      positiveSpans: spans,
      negativeSpans: this.#schema === -53 ? [] : spans,
      positiveBuckets: buckets,
      negativeBuckets: this.#schema === -53 ? new Float64Array() : buckets,
      customValues: this.#schema === -53 ? Float64Array.of(-1, 0.1, 1.2345678, 33_554.43, 1e9) : new Float64Array(),
    }
  }
}

test(`random series come back as they were (SEED=${seed})`, () => {
  const random = new Random(seed)
  for (let round = 0; round < 60; round++) {
    const model = new Model(random)
    const samples = Array.from({ length: random.below(300) }, () => model.next())
    const chunks = cutHistograms(samples)
    const got = chunks.flatMap(({ encoding, data, minTime, maxTime, numSamples }) => {
      const decoded = decodeHistogramChunk(encoding, data)
      expect([decoded[0]!.timeMs, decoded.at(-1)!.timeMs, decoded.length]).toEqual([minTime, maxTime, numSamples])
      expect(numSamples).toBeLessThanOrEqual(120)
      for (const [i, { stale, histogram }] of decoded.entries())
        if (i > 0 && !stale && histogram.counterResetHint === 'not_reset')
          for (const [b, count] of histogram.positiveBuckets.entries())
            expect(count).toBeGreaterThanOrEqual(decoded[i - 1]!.histogram.positiveBuckets[b]!)
      return decoded
    })
    expect(got.map(essence)).toEqual(samples.map(essence))
  }
})

test('counts beyond 2^51 are kept as floats', () => {
  const histogram = { ...staleHistogram(), sum: 1, count: 2 ** 60, zeroCount: 2 ** 60 }
  const [chunk] = cutHistograms([{ timeMs: 1, startTimeMs: 0, stale: false, integer: true, histogram }])
  expect(chunk!.encoding).toBe(3)
  expect(decodeHistogramChunk(3, chunk!.data)[0]!.histogram.count).toBe(2 ** 60)
})
