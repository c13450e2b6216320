// Series of native histograms out of chunks: as a block has them, once where two replicas have them, hints where they hold.
// Data: Prometheus's own chunks in test/golden/blocks/histograms.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isHistogramEncoding } from '../../../lib/chunkenc/decode-histogram.ts'
import type { HistogramPoint } from '../../../lib/histogram/histogram.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { type DedupFunction, SeriesReader } from '../../../lib/storeapi/dedup.ts'
import type { AggrChunk } from '../../../lib/storeapi/types.ts'
import { BlockReader } from '../../../lib/tsdb/block-reader.ts'
import { goldenBlock } from '../../support/golden.ts'

const kernels = createKernels()
const reader = new SeriesReader(kernels)
const series: AggrChunk[][] = []

beforeAll(async () => {
  const block = await BlockReader.open(goldenBlock('blocks/histograms').folder)
  for await (const { chunks } of block.index.allSeries()) {
    const encoded = await block.chunks.read(chunks.map(({ ref }) => ref))
    if (!encoded.some(({ encoding }) => isHistogramEncoding(encoding))) continue
    series.push(
      encoded.map(({ encoding, data }, i) => {
        const { minTime, maxTime } = chunks[i]!
        return { minTime, maxTime, raw: { type: encoding - 1, data, hash: 0n } }
      }),
    )
  }
  await block.close()
})

afterAll(() => reader.free())

function read(chunks: readonly AggrChunk[], dedup: DedupFunction) {
  const columns = kernels.columns()
  const histograms: HistogramPoint[] = []
  const range = { minTime: 0, maxTime: Number.MAX_SAFE_INTEGER }
  reader.read(chunks, range, dedup, { columns, histograms })
  const times = Array.from(columns.times())
  columns.free()
  return { times, histograms }
}

test('floats and histograms of a series share no time, and times ascend', () => {
  expect(series.length).toBeGreaterThan(0)
  for (const chunks of series) {
    const { times, histograms } = read(chunks, 'penalty')
    expect(histograms.length).toBeGreaterThan(0)
    const all = [...times, ...histograms.map(({ timeMs }) => timeMs)]
    expect(new Set(all).size).toBe(all.length)
    expect(histograms).toEqual([...histograms].sort((a, b) => a.timeMs - b.timeMs))
  }
})

test.each(['penalty', 'chain'] as const)('two replicas with the same samples are one, by %s', (dedup) => {
  for (const chunks of series) {
    const pairs = chunks.flatMap((chunk) => [chunk, chunk])
    const one = read(chunks, dedup)
    const two = read(pairs, dedup)
    expect(two.times).toEqual(one.times)
    expect(two.histograms.map(({ timeMs }) => timeMs)).toEqual(one.histograms.map(({ timeMs }) => timeMs))
  }
})

test('samples that all come of one lane keep what is known of resets', () => {
  const counter = series.find((chunks) =>
    read(chunks, 'chain').histograms.some((p) => p.histogram?.hint === 'not_reset'),
  )!
  const [first] = counter.filter(({ raw }) => isHistogramEncoding(raw!.type + 1))
  const { histograms } = read([first!, first!], 'chain')
  expect(histograms.slice(1).filter((p) => p.histogram?.hint === 'unknown')).toEqual([])
})
