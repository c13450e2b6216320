// The set of served blocks through syncs: taken up, let go of, set aside, replaced.
// Subject: lib/store/block-set.ts with real index-headers. Owns nothing.
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { deleteBlock } from '../../../lib/blocks/delete.ts'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { noBoundMs } from '../../../lib/storeapi/types.ts'
import { putMeta, ulidOf } from '../../support/block-metas.ts'
import { type MadeBlock, putMadeBlock } from '../../support/made-blocks.ts'
import { collectSeries, openTestStore, type TestStore } from '../../support/test-store.ts'

const hourMs = 3_600_000
const never = new AbortController().signal
const always = { minTime: -noBoundMs, maxTime: noBoundMs, maxResolutionMs: 0 }
const up = { minTime: 0, maxTime: 100 * hourMs, matchers: [{ type: '=', name: '__name__', value: 'up' } as const] }

let bucket: MemoryBucket
let store: TestStore

beforeEach(async () => {
  bucket = new MemoryBucket()
  await put(1)
  store = await openTestStore(bucket)
})
afterEach(() => store.close())

/** The block of hours [2n, 2n + 2). */
function put(n: number, more: Partial<MadeBlock> = {}): Promise<BlockMeta> {
  const minTime = 2 * n * hourMs
  const series = [{ labels: ['__name__', 'up'], samples: [[minTime, n] as const] }]
  return putMadeBlock(bucket, { ulid: ulidOf(n), minTime, maxTime: minTime + 2 * hourMs, series, ...more })
}

async function breakIndex(ulid: string): Promise<void> {
  await bucket.upload(`${ulid}/index`, Buffer.alloc(1000))
}

function loaded(): string[] {
  return store.blocks.metas.map(({ ulid }) => ulid).sort()
}

async function metric(name: string): Promise<number> {
  const found = await store.registry.getSingleMetric(name)!.get()
  return found.values[0]!.value
}

function headerFile(n: number): string {
  return join(store.dataDir, ulidOf(n), 'index-header')
}

test('new blocks are taken up, deleted ones let go of, their folders with them', async () => {
  await put(2)
  await deleteBlock(bucket, ulidOf(1))
  await store.blocks.sync(never)
  expect(loaded()).toEqual([ulidOf(2)])
  await store.blocks.close()
  expect(existsSync(headerFile(1))).toBe(false)
  expect(existsSync(headerFile(2))).toBe(true)
  expect(await metric('thanos_bucket_store_blocks_loaded')).toBe(1)
  expect(await metric('thanos_bucket_store_block_loads_total')).toBe(2)
  expect(await metric('thanos_bucket_store_block_drops_total')).toBe(1)
})

test('a block that is let go of is read on by the requests that have looked into it', async () => {
  const lease = store.mirror.lease(always, () => true)
  expect(lease.blocks[0]!.index.labelNames()).toEqual(['__name__'])
  expect(lease.blocks[0]!.index.labelValues('__name__', 0)).toEqual(['up'])
  await deleteBlock(bucket, ulidOf(1))
  await store.blocks.sync(never)
  expect(loaded()).toEqual([])
  expect(store.mirror.lease(always, () => true).blocks).toEqual([])
  await expect.poll(() => existsSync(headerFile(1))).toBe(false)
  expect(lease.blocks[0]!.index.labelValues('__name__', 0)).toEqual(['up'])
  lease.release()
  await put(1)
  await store.blocks.sync(never)
  expect(loaded()).toEqual([ulidOf(1)])
})

test('a sync that cannot read the bucket leaves the set as it was', async () => {
  bucket.list = () => {
    throw new Error('away')
  }
  await expect(store.blocks.sync(never)).rejects.toThrow('away')
  expect(loaded()).toEqual([ulidOf(1)])
})

test('an index-header that is damaged on disk is built anew', async () => {
  const good = await readFile(headerFile(1))
  await store.blocks.close()
  const bad = Buffer.from(good)
  bad[40]! ^= 1
  for (const damaged of [bad, good.subarray(0, 50), Buffer.alloc(0)]) {
    const second = await openTestStore(bucket, {
      prepare: async (dataDir) => {
        await writeFile(join(dataDir, ulidOf(1), 'index-header'), damaged)
      },
      folders: [ulidOf(1)],
    })
    expect(second.blocks.metas.length).toBe(1)
    expect(await readFile(join(second.dataDir, ulidOf(1), 'index-header'))).toEqual(good)
    await second.close()
  }
})

test('a block that cannot be loaded is set aside and named, the rest is served, and it is tried again', async () => {
  await put(2)
  const index = await bucket.getRange(`${ulidOf(2)}/index`, 0, 1 << 20)
  await breakIndex(ulidOf(2))
  await store.blocks.sync(never)
  expect(loaded()).toEqual([ulidOf(1)])
  expect(await metric('thanos_bucket_store_block_load_failures_total')).toBe(1)

  const { series, warnings } = await collectSeries(store.api, up)
  expect(series[0]!.chunks.length).toBe(1)
  expect(warnings.length).toBe(1)
  expect(warnings[0]).toContain(`cannot read block ${ulidOf(2)}, which could not be loaded: `)
  await expect(collectSeries(store.api, { ...up, partialResponseDisabled: true })).rejects.toMatchObject({
    code: 'corrupt',
  })
  // Requests that would not have read it do not hear of it.
  expect((await collectSeries(store.api, { ...up, maxTime: 3 * hourMs })).warnings).toEqual([])

  await bucket.upload(`${ulidOf(2)}/index`, index)
  await store.blocks.sync(never)
  expect((await collectSeries(store.api, up)).warnings).toEqual([])
  expect(loaded()).toEqual([ulidOf(1), ulidOf(2)])
})

test('where a compacted block cannot be loaded, its sources go on answering', async () => {
  await put(2)
  await store.blocks.sync(never)
  const compacted = await put(9)
  await putMeta(bucket, {
    ...compacted,
    minTime: 2 * hourMs,
    maxTime: 6 * hourMs,
    compaction: { level: 2, sources: [ulidOf(1), ulidOf(2)] },
  })
  await breakIndex(ulidOf(9))
  await store.blocks.sync(never)
  expect(loaded()).toEqual([ulidOf(1), ulidOf(2)])
  const { series, warnings } = await collectSeries(store.api, { ...up, partialResponseDisabled: true })
  expect(warnings).toEqual([])
  expect(series[0]!.chunks.length).toBe(2)
})

test('sources that are deleted are let go of, and the compacted block that cannot be loaded is named', async () => {
  const compacted = await put(9)
  await putMeta(bucket, {
    ...compacted,
    minTime: 2 * hourMs,
    maxTime: 4 * hourMs,
    compaction: { level: 2, sources: [ulidOf(1)] },
  })
  await breakIndex(ulidOf(9))
  await store.blocks.sync(never)
  expect(loaded()).toEqual([ulidOf(1)])
  await deleteBlock(bucket, ulidOf(1))
  await store.blocks.sync(never)
  expect(loaded()).toEqual([])
  expect(store.blocks.missing.map(({ ulid }) => ulid)).toEqual([ulidOf(9)])
})

test('a block that goes while it is about to be loaded is no failure', async () => {
  const gone = await put(2)
  await bucket.delete(`${gone.ulid}/index`)
  const { exists } = bucket
  bucket.exists = async (name, signal) => {
    await bucket.delete(`${gone.ulid}/meta.json`)
    return exists.call(bucket, name, signal)
  }
  await store.blocks.sync(never)
  expect(store.blocks.missing).toEqual([])
  expect(await metric('thanos_bucket_store_block_load_failures_total')).toBe(0)
})

test('at the first sync index-headers of blocks that are gone are removed, folders that hold more are not', async () => {
  const second = await openTestStore(bucket, {
    folders: [ulidOf(7), ulidOf(8)],
    prepare: async (dataDir) => {
      await writeFile(join(dataDir, ulidOf(7), 'index-header'), 'old')
      await writeFile(join(dataDir, ulidOf(8), 'index'), 'a block of someone')
      await writeFile(join(dataDir, ulidOf(6)), 'a file')
    },
  })
  expect(existsSync(join(second.dataDir, ulidOf(7)))).toBe(false)
  expect(existsSync(join(second.dataDir, ulidOf(8), 'index'))).toBe(true)
  await second.close()
})

test('a resolution that no one asks for is set aside', async () => {
  const meta = await put(2)
  await putMeta(bucket, { ...meta, thanos: { ...meta.thanos, resolutionMs: 60_000 } })
  await store.blocks.sync(never)
  expect(store.blocks.missing.map(({ error }) => error.code)).toEqual(['unsupported'])
})
