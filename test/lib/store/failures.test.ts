// Blocks that fail in the middle of a request: named in a warning or an error, and asked anew where an object was gone.
// Subject: lib/store/series-server.ts over a bucket whose reads fail on purpose. Owns nothing.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { deleteBlock } from '../../../lib/blocks/delete.ts'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import type { SeriesRequest, StoreSeries } from '../../../lib/storeapi/types.ts'
import { putMeta } from '../../support/block-metas.ts'
import { CountingBucket, type RangeRead } from '../../support/counting-bucket.ts'
import { putMadeBlock } from '../../support/made-blocks.ts'
import { collectSeries, openTestStore, type TestStore } from '../../support/test-store.ts'

const hourMs = 3_600_000
const seriesCount = 5000

let bucket: CountingBucket
let store: TestStore
let older: BlockMeta
let newer: BlockMeta

/** Enough series for several batches, so that a block can fail when part of it has been answered. */
function made(minTime: number, maxTime: number) {
  const times = [minTime, minTime + 15_000, maxTime - 1]
  return {
    minTime,
    maxTime,
    series: Array.from({ length: seriesCount }, (_, i) => ({
      labels: ['__name__', 'up', 'instance', String(i).padStart(5, '0')],
      samples: times.map((time) => [time, i] as const),
    })),
  }
}

beforeEach(async () => {
  bucket = new CountingBucket(new MemoryBucket())
  older = await putMadeBlock(bucket, made(0, 2 * hourMs))
  newer = await putMadeBlock(bucket, made(2 * hourMs, 4 * hourMs))
  store = await openTestStore(bucket)
})
afterEach(() => store.close())

const everything: SeriesRequest = {
  minTime: 0,
  maxTime: 4 * hourMs,
  matchers: [{ type: '=', name: '__name__', value: 'up' }],
}

/** Fails every read of the block's chunks from the n-th on. */
function failChunksFrom(n: number, { ulid }: BlockMeta, fail: (read: RangeRead) => void | Promise<void>): void {
  let reads = 0
  bucket.beforeRead = async (read) => {
    if (read.name.startsWith(`${ulid}/chunks/`) && ++reads >= n) await fail(read)
  }
}

function expectWhole(series: readonly StoreSeries[], chunks: number): void {
  const instances = series.map(({ labels }) => Number(labels[3]))
  expect(instances).toEqual(Array.from({ length: seriesCount }, (_, i) => i))
  for (const one of series) expect(one.chunks.length).toBe(chunks)
}

const unavailable = () => {
  throw new MnemoError('unavailable', 'cannot read: got status 503')
}

describe.each([1, 3])('a block that cannot be read from its chunk read %i on', (n) => {
  test('is named in a warning, the rest is answered, and the hints leave it out', async () => {
    failChunksFrom(n, older, unavailable)
    const { series, warnings, queriedBlocks } = await collectSeries(store.api, everything)
    expect(warnings).toEqual([`cannot read block ${older.ulid}: cannot read: got status 503`])
    expect(queriedBlocks).toEqual([newer.ulid])
    expect(series.length).toBe(seriesCount)
    for (const { chunks } of series) expect(chunks.at(-1)!.minTime).toBe(2 * hourMs)
  })

  test('is an error where the request wants all or nothing', async () => {
    failChunksFrom(n, older, unavailable)
    await expect(collectSeries(store.api, { ...everything, partialResponseDisabled: true })).rejects.toMatchObject({
      code: 'unavailable',
      message: `cannot read block ${older.ulid}`,
    })
  })

  test('that was compacted meanwhile is answered from what replaced it, each series once', async () => {
    let isReplaced = false
    failChunksFrom(n, older, async () => {
      if (isReplaced) return
      isReplaced = true
      const compacted = await putMadeBlock(bucket, { ...made(0, 2 * hourMs), ulid: '01ZZZZZZZZZZZZZZZZZZZZZZZZ' })
      await putMeta(bucket, { ...compacted, compaction: { level: 2, sources: older.compaction.sources } })
      await deleteBlock(bucket, older.ulid)
    })
    const { series, warnings, queriedBlocks } = await collectSeries(store.api, everything)
    expect(warnings).toEqual([])
    expect([...queriedBlocks].sort()).toEqual([newer.ulid, '01ZZZZZZZZZZZZZZZZZZZZZZZZ'])
    expectWhole(series, 2)
  })

  test('that is about to be deleted, object by object, is answered from what replaced it', async () => {
    failChunksFrom(n, older, async ({ name }) => {
      bucket.beforeRead = () => {}
      const compacted = await putMadeBlock(bucket, { ...made(0, 2 * hourMs), ulid: '01ZZZZZZZZZZZZZZZZZZZZZZZZ' })
      await putMeta(bucket, { ...compacted, compaction: { level: 2, sources: older.compaction.sources } })
      await bucket.delete(`${older.ulid}/meta.json`)
      await bucket.delete(name)
    })
    const { series, warnings } = await collectSeries(store.api, { ...everything, partialResponseDisabled: true })
    expect(warnings).toEqual([])
    expectWhole(series, 2)
  })

  test('that lacks an object is named, and the bucket is not listed', async () => {
    failChunksFrom(n, older, ({ name }) => bucket.delete(name))
    const lists = bucket.lists
    for (let i = 0; i < 3; i++) {
      const { warnings, queriedBlocks } = await collectSeries(store.api, everything)
      expect(warnings).toEqual([expect.stringContaining(`cannot read block ${older.ulid}: `)])
      expect(queriedBlocks).toEqual([newer.ulid])
    }
    expect(bucket.lists).toBe(lists)
    await expect(collectSeries(store.api, { ...everything, partialResponseDisabled: true })).rejects.toMatchObject({
      code: 'unavailable',
      message: `cannot read block ${older.ulid}`,
    })
    expect(bucket.lists).toBe(lists)
  })

  test('that loses each object that is read is named once', async () => {
    failChunksFrom(n, older, ({ name }) => bucket.delete(name))
    const { series, warnings } = await collectSeries(store.api, everything)
    expect(warnings.length).toBe(1)
    expect(warnings[0]).toContain(`cannot read block ${older.ulid}: `)
    expect(series.length).toBe(seriesCount)
  })
})

test('both blocks whole: no warning', async () => {
  const { series, warnings, queriedBlocks } = await collectSeries(store.api, everything)
  expect(warnings).toEqual([])
  expect([...queriedBlocks].sort()).toEqual([older.ulid, newer.ulid].sort())
  expectWhole(series, 2)
})

test('a chunk with a wrong checksum names block, file and offset', async () => {
  const name = `${older.ulid}/chunks/000001`
  const bytes = Buffer.from(await bucket.getRange(name, 0, 1 << 24))
  bytes[20]! ^= 1
  await bucket.upload(name, bytes)
  const { warnings, series } = await collectSeries(store.api, everything)
  expect(warnings.length).toBe(1)
  expect(warnings[0]).toMatch(
    new RegExp(`^cannot read block ${older.ulid}: cannot read chunks of ${name} at offset \\d+: got .*checksum`),
  )
  expect(series.length).toBe(seriesCount)
})

test('label calls: a warning, or an error', async () => {
  bucket.beforeRead = ({ name }) => {
    if (name.startsWith(older.ulid)) unavailable()
  }
  const signal = new AbortController().signal
  const names = await store.api.labelNames(everything, signal)
  expect(names).toEqual({
    values: ['__name__', 'instance', 'replica'],
    warnings: [`cannot read block ${older.ulid}: cannot read: got status 503`],
  })
  const strict = { ...everything, partialResponseDisabled: true }
  await expect(store.api.labelValues('instance', strict, signal)).rejects.toMatchObject({ code: 'unavailable' })
})

test('a block that was let go of, its index-header with it, before this thread is told: asked for anew', async () => {
  const compacted = await putMadeBlock(bucket, made(0, 2 * hourMs))
  const sources = [...older.compaction.sources, compacted.ulid]
  await putMeta(bucket, { ...compacted, compaction: { level: 2, sources } })
  await rm(join(store.dataDir, older.ulid, 'index-header'))
  const { exists } = bucket
  bucket.exists = async (name, signal) => {
    bucket.exists = exists
    await store.blocks.sync(new AbortController().signal)
    return exists.call(bucket, name, signal)
  }
  const { series, warnings } = await collectSeries(store.api, { ...everything, partialResponseDisabled: true })
  expect(warnings).toEqual([])
  expectWhole(series, 2)
})

test('label calls: a block that lacks its index is named, and the bucket is not listed', async () => {
  await bucket.delete(`${older.ulid}/index`)
  const lists = bucket.lists
  const { warnings } = await store.api.labelNames(everything, new AbortController().signal)
  expect(warnings).toEqual([expect.stringContaining(`cannot read block ${older.ulid}: `)])
  expect(bucket.lists).toBe(lists)
})

test('label calls: a block that was compacted meanwhile is asked for by its new name', async () => {
  bucket.beforeRead = async ({ name }) => {
    if (!name.startsWith(`${older.ulid}/index`)) return
    bucket.beforeRead = () => {}
    await deleteBlock(bucket, older.ulid)
  }
  const range = { ...everything, maxTime: 2 * hourMs - 1 }
  const { values, warnings } = await store.api.labelValues('instance', range, new AbortController().signal)
  expect(warnings).toEqual([])
  expect(values).toEqual([])
})
