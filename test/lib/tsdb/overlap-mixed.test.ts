// Overlapping chunks of other encodings than XOR: golden chunks, each parted in two interleaved ones, come back whole.
import { expect, test } from 'vitest'
import { isFloatEncoding } from '../../../lib/chunkenc/decode-floats.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { BlockReader } from '../../../lib/tsdb/block-reader.ts'
import type { BlockChunk } from '../../../lib/tsdb/block-writer.ts'
import { OverlapMerger } from '../../../lib/tsdb/overlap.ts'
import { decodeMixed, encodeMixed } from '../../../lib/tsdb/overlap-mixed.ts'
import { goldenBlocks, readDump } from '../../support/golden.ts'

const kernels = createKernels()
const merger = new OverlapMerger(kernels, 'one-to-one')

/** Samples without their layouts and hints, which a merge may change. */
function essence(chunks: readonly BlockChunk[]): unknown[] {
  return chunks
    .flatMap((chunk) => decodeMixed(chunk, kernels))
    .map((sample) =>
      'bits' in sample
        ? sample
        : [
            sample.timeMs,
            sample.startTimeMs,
            sample.stale,
            sample.integer,
            sample.histogram.count,
            sample.histogram.sum,
          ],
    )
}

const blocks = goldenBlocks().filter(({ name }) => !name.endsWith('/tombstones'))

test.each(blocks)('$name', async (block) => {
  const reader = await BlockReader.open(block.folder)
  let other = 0
  for (const series of readDump(block)) {
    const metas = series.chunks.slice(0, 8)
    const whole = (await reader.chunks.read(metas.map(({ ref }) => ref))).map(({ encoding, data }, i) => {
      const { minTime, maxTime, samples: numSamples } = metas[i]!
      return { minTime, maxTime, numSamples, encoding, data }
    })
    const halves = whole.flatMap((chunk) => {
      if (!isFloatEncoding(chunk.encoding)) other++
      const samples = decodeMixed(chunk, kernels)
      return [0, 1].flatMap((half) =>
        encodeMixed(
          samples.filter((_, i) => i % 2 === half),
          kernels,
        ).map((chunk) => ({ ulid: `block ${half}`, chunk })),
      )
    })
    const merged = merger.merge(halves)
    expect(essence(merged)).toEqual(essence(whole))
    for (const [i, { minTime }] of merged.entries()) if (i > 0) expect(minTime).toBeGreaterThan(merged[i - 1]!.maxTime)
  }
  await reader.close()
  if (block.name.includes('histograms')) expect(other).toBeGreaterThan(30)
})

test('penalty keeps to one of two replicas, floats and histograms alike', async () => {
  const penalty = new OverlapMerger(kernels, 'penalty')
  const reader = await BlockReader.open(blocks.find(({ name }) => name === 'blocks/floats-xor2')!.folder)
  const { value: series } = await reader.index.allSeries().next()
  const [stored] = await reader.chunks.read([series!.chunks[0]!.ref])
  await reader.close()
  const samples = decodeMixed({ minTime: 0, maxTime: 0, numSamples: 0, ...stored! }, kernels)
  const late = samples.map((sample) => ({ ...sample, timeMs: sample.timeMs + 7 }))
  const lanes = [samples, late].flatMap((lane, i) =>
    encodeMixed(lane, kernels).map((chunk) => ({ ulid: `replica ${i}`, chunk })),
  )
  expect(essence(penalty.merge(lanes))).toEqual(samples)
})
