// Blocks whose meta.json is there and cannot be read: those that are served go on being served, others are named in each answer.
// Subject: lib/store/block-set.ts over a fetcher that keeps what it knows. Owns nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { deleteBlock } from '../../../lib/blocks/delete.ts'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { putMeta, ulidOf } from '../../support/block-metas.ts'
import { putMadeBlock } from '../../support/made-blocks.ts'
import { collectSeries, openTestStore, type TestStore } from '../../support/test-store.ts'

const hourMs = 3_600_000
const never = new AbortController().signal
const up = { minTime: 0, maxTime: 100 * hourMs, matchers: [{ type: '=', name: '__name__', value: 'up' } as const] }
const strict = { ...up, partialResponseDisabled: true }
const unread = [
  ['of another version', '{"version": 2}', 'unsupported'],
  ['of no meaning', '{"version": 1, "ulid": 7}', 'corrupt'],
] as const

let bucket: MemoryBucket
let store: TestStore

beforeEach(async () => {
  bucket = new MemoryBucket()
  await put(1)
  await put(2)
  store = await openTestStore(bucket)
})
afterEach(() => store.close())

/** The block of hours [2n, 2n + 2). */
function put(n: number): Promise<BlockMeta> {
  const minTime = 2 * n * hourMs
  const series = [{ labels: ['__name__', 'up'], samples: [[minTime, n] as const] }]
  return putMadeBlock(bucket, { ulid: ulidOf(n), minTime, maxTime: minTime + 2 * hourMs, series })
}

async function overwriteMeta(n: number, text: string): Promise<void> {
  // What is written in the same millisecond is not read anew.
  await sleep(5)
  await bucket.upload(`${ulidOf(n)}/meta.json`, Buffer.from(text))
  await store.blocks.sync(never)
}

async function ask(request = up) {
  const { series, warnings } = await collectSeries(store.api, request)
  return { chunks: series.flatMap(({ chunks }) => chunks).length, warnings }
}

test.each([...unread, ['broken off', '{"vers', 'corrupt']] as const)(
  'a served block with a meta.json %s is served on, until it is deleted',
  async (_, text) => {
    await overwriteMeta(1, text)
    for (let i = 0; i < 2; i++) {
      expect(await ask(strict)).toEqual({ chunks: 2, warnings: [] })
      await store.blocks.sync(never)
    }
    await deleteBlock(bucket, ulidOf(1))
    await store.blocks.sync(never)
    expect(await ask(strict)).toEqual({ chunks: 1, warnings: [] })
  },
)

test.each(unread)('another block with a meta.json %s is named, whatever is asked for', async (_, text, code) => {
  const meta = await put(3)
  await overwriteMeta(3, text)
  const { chunks, warnings } = await ask({ ...up, maxTime: 3 * hourMs })
  expect(chunks).toBe(1)
  expect(warnings).toEqual([
    expect.stringContaining(
      `cannot read block ${ulidOf(3)}, which could not be loaded: cannot read ${ulidOf(3)}/meta.json`,
    ),
  ])
  await expect(ask(strict)).rejects.toMatchObject({ code })
  expect((await store.api.labelNames(up, never)).warnings).toHaveLength(1)
  await sleep(5)
  await putMeta(bucket, meta)
  await store.blocks.sync(never)
  expect(await ask(strict)).toEqual({ chunks: 3, warnings: [] })
})

test('a block that was not uploaded to its end is not named', async () => {
  await put(3)
  await overwriteMeta(3, '{"vers')
  expect(await ask(strict)).toEqual({ chunks: 2, warnings: [] })
})

test('a served block that another one covers is let go of all the same, and not named', async () => {
  await overwriteMeta(1, '{"version": 2}')
  await putMeta(bucket, { ...(await put(9)), compaction: { level: 2, sources: [ulidOf(1), ulidOf(2)] } })
  for (let i = 0; i < 2; i++) {
    await store.blocks.sync(never)
    expect(store.blocks.metas.map(({ ulid }) => ulid)).toEqual([ulidOf(9)])
    expect(store.blocks.missing).toEqual([])
  }
})
