// What the compactor writes into a new block's Thanos section, as Thanos does: sizes for stores, extensions, rewrites.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { MetaFetcher } from '../../../lib/blocks/fetcher.ts'
import type { JsonObject, JsonValue } from '../../../lib/blocks/go-json.ts'
import { ignoreDeletionMarkFilter } from '../../../lib/blocks/mark-filters.ts'
import type { BlockMeta, ThanosMeta } from '../../../lib/blocks/meta.ts'
import { formatMeta } from '../../../lib/blocks/meta-format.ts'
import { parseMeta } from '../../../lib/blocks/meta-parse.ts'
import type { Bucket } from '../../../lib/objstore/bucket.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { BlockReader } from '../../../lib/tsdb/block-reader.ts'
import { BlockWriter } from '../../../lib/tsdb/block-writer.ts'
import { hourMs, twoHours } from '../../support/crash-scenarios.ts'
import { goldenPath } from '../../support/golden.ts'
import { loadBlock } from '../../support/local-block.ts'
import { putMadeBlock } from '../../support/made-blocks.ts'
import { compactorOver } from '../../support/test-compactor.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'new-meta-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function goldenMetas(set: string): Promise<{ folder: string; meta: BlockMeta }[]> {
  const folders = (await readdir(goldenPath(set))).map((ulid) => goldenPath(set, ulid))
  const read = async (folder: string) => {
    const file = path.join(folder, 'meta.json')
    return { folder, meta: parseMeta(await readFile(file), file) }
  }
  return Promise.all(folders.map(read))
}

// Not downsampled-1h: its metas are from before Thanos fills this in.
test.each(['bucket', 'downsampled-histograms', 'dedup/one-to-one', 'dedup/penalty'])(
  '%s: index_stats of each block that Thanos has written are ours of the same series',
  async (set) => {
    const written = (await goldenMetas(set)).filter(({ meta }) => meta.thanos.source === 'compactor')
    for (const { folder: golden, meta } of written) {
      if (!(await readdir(golden)).includes('chunks')) continue
      const reader = await BlockReader.open(golden)
      const writer = await BlockWriter.create({ folder: path.join(folder, meta.ulid), symbols: reader.index.symbols })
      for (const { labels, chunks } of await loadBlock(golden)) await writer.addSeries(labels, chunks)
      await reader.close()
      expect((await writer.finish(() => '{}')).indexStats, golden).toEqual(meta.thanos.indexStats)
    }
  },
)

async function put(bucket: Bucket, hours: number, thanos: Partial<ThanosMeta>, changes = {}): Promise<BlockMeta> {
  const meta = await putMadeBlock(bucket, twoHours(hours, changes))
  const changed = { ...meta, thanos: { ...meta.thanos, ...thanos } }
  await bucket.upload(`${meta.ulid}/meta.json`, Buffer.from(formatMeta(changed)))
  return changed
}

async function compacted(bucket: Bucket): Promise<BlockMeta[]> {
  const { error } = await compactorOver(bucket, { workFolder: path.join(folder, 'work') }).run(
    new AbortController().signal,
  )
  expect(error).toBeUndefined()
  const filters = [ignoreDeletionMarkFilter(-1, { bucket })]
  return [...(await new MetaFetcher({ bucket, filters }).fetch()).metas.values()]
}

const extensions = (...entries: [string, string][]): JsonObject =>
  new Map<string, JsonValue>([...entries, ['own', new Map([['n', 1]])]])

test('a merged block keeps the extensions that all blocks of its group have, where they have any', async () => {
  const bucket = new MemoryBucket()
  await put(bucket, 0, { extensions: extensions(['tenant', 'x'], ['first', 'y']) })
  await put(bucket, 2, { extensions: extensions(['tenant', 'z']) })
  for (const hour of [4, 6]) await put(bucket, hour, {})
  await put(bucket, 8, { extensions: extensions(['tenant', 'x'], ['last', 'y']) })
  const merged = (await compacted(bucket)).find(({ compaction }) => compaction.level > 1)
  expect(merged?.thanos.extensions).toEqual(extensions(['tenant', 'x']))
})

test('a merged block of blocks without extensions has none', async () => {
  const bucket = new MemoryBucket()
  for (const hour of [0, 2, 4, 6, 8]) await put(bucket, hour, {})
  const merged = (await compacted(bucket)).find(({ compaction }) => compaction.level > 1)
  expect(merged?.thanos).not.toHaveProperty('extensions')
})

test('a downsampled block keeps extensions and rewrites of its input, and has sizes of its own', async () => {
  const bucket = new MemoryBucket()
  const rewrites = [new Map([['sources', ['01M81VCRH9X978VMPB1HFNE61J']]])]
  const thanos = { extensions: extensions(), rewrites, indexStats: { seriesMaxSize: 4096, chunkMaxSize: 99_999 } }
  await put(bucket, 0, thanos, { maxTime: 48 * hourMs })
  const downsampled = (await compacted(bucket)).find(({ thanos: { resolutionMs } }) => resolutionMs > 0)
  expect(downsampled?.thanos).toMatchObject({ extensions: extensions(), rewrites })
  expect(downsampled?.thanos.indexStats).toEqual({ seriesMaxSize: 32 })
})
