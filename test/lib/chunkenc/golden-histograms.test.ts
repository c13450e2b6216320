// Every histogram chunk of the golden blocks: each sample as Prometheus dumps it, each chunk re-encoded byte for byte.
import { expect, test } from 'vitest'
import { decodeHistogramChunk, isHistogramEncoding } from '../../../lib/chunkenc/decode-histogram.ts'
import { encodeHistogramChunk } from '../../../lib/chunkenc/encode-histogram.ts'
import { readHistogramHeader } from '../../../lib/chunkenc/histogram-layout.ts'
import { BlockReader } from '../../../lib/tsdb/block-reader.ts'
import { goldenBlocks, readDump } from '../../support/golden.ts'
import { isDumpedHistogram, sampleOfDump } from '../../support/histograms.ts'

const blocks = goldenBlocks().filter(({ name }) => name.includes('histograms'))

test.each(blocks)('$name', async (block) => {
  const reader = await BlockReader.open(block.folder)
  let chunks = 0
  for (const series of readDump(block)) {
    const metas = series.chunks.filter(({ encoding }) => isHistogramEncoding(encoding))
    const data = await reader.chunks.read(metas.map(({ ref }) => ref))
    const got = data.flatMap(({ encoding, data }) => {
      const samples = decodeHistogramChunk(encoding, data)
      const { reset } = readHistogramHeader(encoding, data)
      const chunk = { encoding, reset, layout: samples[0]!.histogram, samples }
      expect(Buffer.from(encodeHistogramChunk(chunk)).equals(data)).toBe(true)
      return samples
    })
    const want = series.samples.filter(isDumpedHistogram).map(sampleOfDump)
    expect(got.map(({ integer: _, ...sample }) => sample)).toEqual(want)
    chunks += metas.length
  }
  await reader.close()
  expect(chunks).toBeGreaterThan(30)
})
