// Our downsampling of the raw blocks that Thanos downsampled: the same chunks, byte for byte, at 5 minutes and at an hour.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { chunkEncoding } from '../../../lib/chunkenc/encoding.ts'
import { SeriesDownsampler } from '../../../lib/compact/downsample-series.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { goldenPath } from '../../support/golden.ts'
import { type LoadedSeries, loadBlock } from '../../support/local-block.ts'

interface Block {
  readonly folder: string
  readonly resolutionMs: number
  readonly source: string
}

const blocks = ['bucket', 'downsampled-1h'].flatMap((set) =>
  readdirSync(goldenPath(set))
    .map((ulid) => goldenPath(set, ulid))
    .filter((folder) => readdirSync(folder).includes('chunks'))
    .map((folder): Block => {
      const meta = JSON.parse(readFileSync(path.join(folder, 'meta.json'), 'utf8'))
      return { folder, resolutionMs: meta.thanos.downsample.resolution, source: meta.compaction.sources[0] }
    }),
)

const pairs = blocks.flatMap((input) => {
  const next = new Map([
    [0, 300_000],
    [300_000, 3_600_000],
  ]).get(input.resolutionMs)
  return blocks
    .filter(({ resolutionMs, source }) => resolutionMs === next && source === input.source)
    .map((want) => ({ name: `${path.basename(input.folder)} to ${want.resolutionMs} ms`, input, want }))
})

test('there are blocks of each kind', () => {
  expect(pairs.map(({ want }) => want.resolutionMs).sort()).toEqual([300_000, 300_000, 3_600_000, 3_600_000])
})

test.each(pairs)('$name', async ({ input, want }) => {
  const downsampler = new SeriesDownsampler(createKernels())
  const downsample = (series: LoadedSeries): LoadedSeries => ({
    labels: series.labels,
    chunks: input.resolutionMs === 0 ? downsampler.fromRaw(series.chunks) : downsampler.fromFiveMinutes(series.chunks),
  })
  const got = (await loadBlock(input.folder)).map(downsample).filter(({ chunks }) => chunks.length > 0)
  expect(got.map(plain)).toEqual((await loadBlock(want.folder)).map(plain))
})

/** Bytes as text: a difference is then one line. */
function plain({ labels, chunks }: LoadedSeries) {
  return {
    labels,
    chunks: chunks.map(({ data, encoding, ...span }) => {
      expect(encoding).toBe(chunkEncoding.aggregate)
      return { ...span, data: Buffer.from(data).toString('hex') }
    }),
  }
}
