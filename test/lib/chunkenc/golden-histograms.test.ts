// Every histogram chunk of the golden blocks: each sample as Prometheus dumps it.
import { expect, test } from 'vitest'
import { decodeHistogramChunk, isHistogramEncoding } from '../../../lib/chunkenc/decode-histogram.ts'
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
    const got = data.flatMap(({ encoding, data }) => decodeHistogramChunk(encoding, data))
    const want = series.samples.filter(isDumpedHistogram).map(sampleOfDump)
    expect(got.map(({ integer: _, ...sample }) => sample)).toEqual(want)
    chunks += metas.length
  }
  await reader.close()
  expect(chunks).toBeGreaterThan(30)
})
