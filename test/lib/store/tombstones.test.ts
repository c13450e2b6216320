// A block with deletions: the store answers without them, compaction leaves them out for good; both against the block's dump.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BlockMeta, withExternalLabels } from '../../../lib/blocks/meta.ts'
import { parseMeta } from '../../../lib/blocks/meta-parse.ts'
import { uploadBlock } from '../../../lib/blocks/upload.ts'
import { openInputBlock } from '../../../lib/compact/input-block.ts'
import { mergeBlocks } from '../../../lib/compact/merge.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import type { Labels } from '../../../lib/labels/labels.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { BlockReader } from '../../../lib/tsdb/block-reader.ts'
import { samplesOf } from '../../support/chunk-samples.ts'
import { type DumpedSeries, goldenBlock, readDump } from '../../support/golden.ts'
import { collectSeries, openTestStore } from '../../support/test-store.ts'

const golden = goldenBlock('blocks/tombstones')
const bucket = new MemoryBucket()
const signal = new AbortController().signal
const scratch = await mkdtemp(path.join(tmpdir(), 'mnemo-tombstones-'))
afterAll(() => rm(scratch, { recursive: true }))
let meta: BlockMeta

beforeAll(async () => {
  const file = path.join(golden.folder, 'meta.json')
  const own = withExternalLabels(parseMeta(await readFile(file), file), ['replica', 'a'], 'sidecar')
  meta = (await uploadBlock(bucket, golden.folder, own)).meta
})

/** Times that are left, by labels; series of which nothing is left are none. */
function wantedTimes(): Map<string, number[]> {
  const times = readDump(golden).map(
    ({ labels, samples, tombstones }: DumpedSeries) =>
      [
        labels.join('\0'),
        samples.map(([time]) => time).filter((time) => !tombstones.some(([from, to]) => time >= from && time <= to)),
      ] as const,
  )
  return new Map(times.filter(([, left]) => left.length > 0))
}

const keyOf = (labels: Labels): string => labels.join('\0')

test('the block has deletions that matter', () => {
  const stored = readDump(golden).reduce((sum, { samples }) => sum + samples.length, 0)
  const left = [...wantedTimes().values()].reduce((sum, times) => sum + times.length, 0)
  expect(left).toBeGreaterThan(0)
  expect(left).toBeLessThan(stored)
})

test('a store answers without what has been deleted', async () => {
  const store = await openTestStore(bucket)
  const matchers = [{ type: '!=' as const, name: 'no such label', value: 'x' }]
  const { series, warnings } = await collectSeries(store.api, {
    matchers,
    minTime: 0,
    maxTime: 2e12,
    withoutReplicaLabels: ['replica'],
  })
  await store.close()
  expect(warnings).toEqual([])
  const got = series.map(
    ({ labels, chunks }) => [keyOf(labels), samplesOf(chunks).map(({ timeMs }) => timeMs)] as const,
  )
  expect(new Map(got)).toEqual(wantedTimes())
})

test('a compacted block lacks it, without tombstones of its own', async () => {
  const folder = path.join(scratch, '01M81VCRM02KA26CCNMVVCWT9L')
  const source = await openInputBlock(bucket, meta, signal)
  await mergeBlocks([source], { folder, meta: () => '{}', signal, overlap: 'one-to-one' })
  const kernels = createKernels()
  const columns = kernels.columns()
  const reader = await BlockReader.open(folder)
  expect(reader.tombstones.size).toBe(0)
  const got = new Map<string, number[]>()
  for await (const { labels, chunks } of reader.index.allSeries()) {
    columns.clear()
    for (const { data } of await reader.chunks.read(chunks.map(({ ref }) => ref))) kernels.decodeXor(data, columns)
    got.set(keyOf(labels), [...columns.times()])
  }
  await reader.close()
  expect(got).toEqual(wantedTimes())
})
