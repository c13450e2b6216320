// Deleted times leave chunks of every encoding: the golden blocks' chunks, cut by random intervals, against a plain filter.
import { expect, test } from 'vitest'
import type { EncodedChunk } from '../../../lib/chunkenc/cut-histograms.ts'
import { decodeFloatChunk, isFloatEncoding } from '../../../lib/chunkenc/decode-floats.ts'
import { decodeHistogramChunk } from '../../../lib/chunkenc/decode-histogram.ts'
import { type DeletedInterval, dropIntervals } from '../../../lib/chunkenc/drop-intervals.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { BlockReader } from '../../../lib/tsdb/block-reader.ts'
import { goldenBlocks, readDump } from '../../support/golden.ts'
import { Random, seed } from '../../support/random.ts'

const kernels = createKernels()
const columns = kernels.columns()

/** Samples as something that compares: floats by their bits; hints aside, which a cut may blur. */
function samplesOf({ encoding, data }: EncodedChunk): { timeMs: number; value: unknown }[] {
  if (!isFloatEncoding(encoding))
    return decodeHistogramChunk(encoding, data).map(({ timeMs, startTimeMs, stale, histogram }) => {
      const { counterResetHint: _, ...value } = histogram
      return { timeMs, value: [startTimeMs, stale, value] }
    })
  columns.clear()
  decodeFloatChunk(encoding, data, columns)
  const bits = columns.valueBits()
  return [...columns.times()].map((timeMs, i) => ({ timeMs, value: bits[i] }))
}

const inside = (timeMs: number, intervals: readonly DeletedInterval[]): boolean =>
  intervals.some(({ minTime, maxTime }) => timeMs >= minTime && timeMs <= maxTime)

test.each(goldenBlocks())(`$name: what is left is what no interval holds (SEED=${seed})`, async (block) => {
  const random = new Random(seed)
  const reader = await BlockReader.open(block.folder)
  for (const series of readDump(block)) {
    const metas = series.chunks.slice(0, 6)
    for (const [i, { encoding, data }] of (await reader.chunks.read(metas.map(({ ref }) => ref))).entries()) {
      const { minTime, maxTime, samples: numSamples } = metas[i]!
      const chunk = { minTime, maxTime, numSamples, encoding, data }
      const first = minTime - 1000 + random.below(maxTime - minTime + 2000)
      const second = first + random.below(maxTime - minTime + 1)
      const intervals = [
        { minTime: first, maxTime: second },
        { minTime: second + 60_000, maxTime: second + 60_000 + random.below(30_000) },
      ]
      const left = dropIntervals(chunk, intervals, kernels)
      const want = samplesOf(chunk).filter(({ timeMs }) => !inside(timeMs, intervals))
      expect(left.flatMap(samplesOf)).toEqual(want)
      for (const part of left) {
        expect(isFloatEncoding(part.encoding)).toBe(isFloatEncoding(encoding))
        const own = samplesOf(part)
        expect([own[0]!.timeMs, own.at(-1)!.timeMs, own.length]).toEqual([part.minTime, part.maxTime, part.numSamples])
      }
      expect(dropIntervals(chunk, [{ minTime, maxTime }], kernels)).toEqual([])
      expect(dropIntervals(chunk, [{ minTime: maxTime + 1, maxTime: maxTime + 2 }], kernels)).toEqual([chunk])
    }
  }
  await reader.close()
})
