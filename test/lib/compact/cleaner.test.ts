// What the cleaner takes out of the bucket, and what it leaves: blocks that nobody finishes go, those that it cannot read stay.
import { expect, test } from 'vitest'
import { MetaFetcher } from '../../../lib/blocks/fetcher.ts'
import { Cleaner } from '../../../lib/compact/cleaner.ts'
import { compactMetrics } from '../../../lib/compact/metrics.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { metaOf, putMeta, ulidOf } from '../../support/block-metas.ts'

const hourMs = 3_600_000

/** Whether the block with such a meta.json is deleted three days after. */
async function isDeleted(text: string | undefined): Promise<boolean> {
  const bucket = new MemoryBucket()
  const ulid = ulidOf(1)
  await putMeta(bucket, metaOf({ ulid }))
  await bucket.upload(`${ulid}/index`, Buffer.from('x'))
  const name = `${ulid}/meta.json`
  const meta = Buffer.from(await bucket.getRange(name, 0, 10_000)).toString()
  if (text === undefined) await bucket.delete(name)
  else await bucket.upload(name, Buffer.from(text.replace('META', meta)))
  const { partial } = await new MetaFetcher({ bucket }).fetch()
  const cleaner = new Cleaner({
    bucket,
    deleteDelayMs: 0,
    logger: createLogger({ level: 'silent' }),
    metrics: compactMetrics(createRegistry()),
    now: () => Date.now() + 72 * hourMs,
  })
  await cleaner.deletePartial(partial.values(), new AbortController().signal)
  return (await Array.fromAsync(bucket.list(`${ulid}/`, { recursive: true }))).length === 0
}

test.each([
  ['is missing', undefined],
  ['is empty', ''],
  ['was broken off', '{"version": 1, "ulid"'],
])('a block whose meta.json %s is deleted', async (_what, text) => {
  expect(await isDeleted(text)).toBe(true)
})

test.each([
  ['is whole', 'META'],
  ['is of version 2', '{"version": 2}'],
  ['is JSON that we cannot read', '{"version": 1, "ulid": 5}'],
  ['names its block in lower case', `{"version": 1, "minTime": 0, "maxTime": 1, "ulid": "${'0'.repeat(25)}a"}`],
  ['is larger than we read', `{"version": 1, "x": "${'x'.repeat(17 * 1024 * 1024)}"}`],
])('a block whose meta.json %s stays', async (_what, text) => {
  expect(await isDeleted(text)).toBe(false)
})
