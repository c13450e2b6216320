// Replicas merged offline as Thanos merged them, one-to-one and by penalty: the same chunks, byte for byte.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { labelsKey } from '../../../lib/labels/labels.ts'
import { type OverlapFunction, OverlapMerger } from '../../../lib/tsdb/overlap.ts'
import { goldenPath } from '../../support/golden.ts'
import { loadBlock } from '../../support/local-block.ts'

const cases = (['one-to-one', 'penalty'] as const).flatMap((overlap) =>
  readdirSync(goldenPath('dedup', overlap)).map((ulid) => ({ overlap, ulid })),
)

test('there are two blocks of each', () => expect(cases).toHaveLength(4))

test.each(cases)('$overlap: $ulid', async ({ overlap, ulid }: { overlap: OverlapFunction; ulid: string }) => {
  const folder = goldenPath('dedup', overlap, ulid)
  const { compaction } = JSON.parse(readFileSync(path.join(folder, 'meta.json'), 'utf8'))
  const inputs = await Promise.all(
    (compaction.sources as string[]).map(async (source) => ({
      source,
      series: await loadBlock(goldenPath('dedup', 'bucket', source)),
    })),
  )
  const merger = new OverlapMerger(createKernels(), overlap)
  for (const { labels, chunks: want } of await loadBlock(folder)) {
    const key = labelsKey(labels)
    const chunks = inputs.flatMap(({ source, series }) =>
      series
        .filter((one) => labelsKey(one.labels) === key)
        .flatMap((one) => one.chunks.map((chunk) => ({ ulid: source, chunk }))),
    )
    const plain = (of: typeof want) => of.map((one) => ({ ...one, data: Buffer.from(one.data).toString('hex') }))
    expect(plain(merger.merge(chunks))).toEqual(plain(want))
  }
})
