// Native histograms that Prometheus wrote, downsampled by our compactor, read as each function reads them: against the raw ones.
// Owns nothing.
import { expect, test } from 'vitest'
import { isHistogramEncoding } from '../../../lib/chunkenc/decode-histogram.ts'
import { SeriesDownsampler } from '../../../lib/compact/downsample-series.ts'
import type { Histogram, HistogramPoint } from '../../../lib/histogram/histogram.ts'
import { detectReset } from '../../../lib/histogram/reset.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { formatLabels } from '../../../lib/labels/labels.ts'
import { SeriesReader } from '../../../lib/storeapi/dedup.ts'
import { DownsampledReader, isDownsampled } from '../../../lib/storeapi/downsampled.ts'
import { fiveMinutesMs, oneHourMs, type Reading } from '../../../lib/storeapi/reading.ts'
import type { AggrChunk } from '../../../lib/storeapi/types.ts'
import { wireChunk } from '../../support/downsampled-chunks.ts'
import { goldenBlock } from '../../support/golden.ts'
import { loadBlock } from '../../support/local-block.ts'

const kernels = createKernels()
const reader = new DownsampledReader(kernels)
const downsampler = new SeriesDownsampler(kernels)
const range = { minTime: -1e15, maxTime: 1e15 }

const all = (await loadBlock(goldenBlock('blocks/histograms').folder))
  .filter(({ chunks }) => chunks.every(({ encoding }) => isHistogramEncoding(encoding)))
  .map(({ labels, chunks }) => {
    const fine = downsampler.fromRaw(chunks)
    return {
      name: formatLabels(labels),
      raw: rawOf(chunks.map(wireChunk)),
      levels: { [fiveMinutesMs]: fine.map(wireChunk), [oneHourMs]: downsampler.fromFiveMinutes(fine).map(wireChunk) },
    }
  })
const cases = all.flatMap(({ name, raw, levels }) =>
  Object.entries(levels).map(([resolution, chunks]) => ({ name, resolution: Number(resolution), raw, chunks })),
)

function rawOf(chunks: readonly AggrChunk[]): Histogram[] {
  const histograms: HistogramPoint[] = []
  const columns = kernels.columns()
  new SeriesReader(kernels).read(chunks, range, 'chain', { columns, histograms })
  columns.free()
  return histograms.flatMap(({ histogram }) => (histogram && !Number.isNaN(histogram.sum) ? [histogram] : []))
}

function read(chunks: readonly AggrChunk[], reading: Reading) {
  const [columns, counts] = [kernels.columns(), kernels.columns()]
  const points: HistogramPoint[] = []
  const query = { ...range, reading, maxResolutionMs: oneHourMs, dedup: 'chain', lookbackMs: undefined } as const
  reader.read(chunks, query, { columns, histograms: points, counts })
  const out = {
    floats: columns.length,
    counts: Array.from(counts.values()),
    histograms: points.map((p) => p.histogram!),
  }
  columns.free()
  counts.free()
  return out
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

function increaseOf(histograms: readonly Histogram[]): number {
  return sum(
    histograms.slice(1).map((histogram, i) => {
      const before = histograms[i]!
      return detectReset({ ...histogram, hint: 'unknown' }, before) ? histogram.count : histogram.count - before.count
    }),
  )
}

test('there are histograms of many kinds', () => {
  expect(all.length).toBeGreaterThan(8)
  expect(cases.every(({ chunks }) => chunks.length > 0 && chunks.every(isDownsampled))).toBe(true)
})

test.each(cases)('$name at $resolution ms', ({ name, raw, chunks }) => {
  // Counts do not tell that they are of histograms, which may end within 5 minutes: where bounds change, a part is not seen.
  const counted = sum(read(chunks, 'counts').counts)
  if (name.includes('custom_changing')) expect(counted).toBeLessThanOrEqual(raw.length)
  else expect(counted).toBe(raw.length)
  const totals = read(chunks, 'totals')
  expect(sum(totals.counts)).toBe(raw.length)
  expect(sum(totals.histograms.map(({ count }) => count))).toBeCloseTo(sum(raw.map(({ count }) => count)), 3)
  const averages = read(chunks, 'average').histograms
  expect(averages.map(({ count }, i) => count * totals.counts[i]!)).toEqual(
    totals.histograms.map(({ count }) => expect.closeTo(count, 3)),
  )
  // Neither smallest nor largest: such functions know no histograms.
  expect(read(chunks, 'min')).toEqual({ floats: 0, counts: [], histograms: [] })
})

const counters = cases.filter(({ raw }) => raw[0]?.hint !== 'gauge' && !raw[0]!.customBounds.length)

test.each(counters)('the counter of $name at $resolution ms grows as the raw one', ({ raw, chunks }) => {
  const counter = read(chunks, 'counter').histograms
  // The first window's own growth lies before its end.
  const within = counter[0]!.count - raw[0]!.count
  expect(within + increaseOf(counter)).toBeCloseTo(increaseOf(raw), 3)
})
