// Reading a bucket's blocks: whole, partial, cached, and what happens when the bucket fails.
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { MetaFetcher } from '../../../lib/blocks/fetcher.ts'
import { gatherMarksFilter } from '../../../lib/blocks/mark-filters.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { metaOf, putMeta, ulidOf } from '../../support/block-metas.ts'

/** Counts reads; fails those of the named object. */
class WatchedBucket extends MemoryBucket {
  reads: string[] = []
  failing: string | undefined

  override async getRange(name: string, offset: number, length: number): Promise<Uint8Array> {
    this.reads.push(name)
    if (name === this.failing) throw new MnemoError('unavailable', `cannot read ${name}: the bucket is away`)
    return super.getRange(name, offset, length)
  }
}

let bucket: WatchedBucket
const [a, b, c, d] = [1, 2, 3, 4].map(ulidOf) as [string, string, string, string]
beforeEach(() => {
  bucket = new WatchedBucket()
})
const dataDir = await fs.mkdtemp(path.join(tmpdir(), 'mnemo-fetcher-'))
afterAll(() => fs.rm(dataDir, { recursive: true }))

test('whole blocks are told from partial ones and from what is no block', async () => {
  await putMeta(bucket, metaOf({ ulid: b }))
  await putMeta(bucket, metaOf({ ulid: a }))
  await bucket.upload(`${c}/index`, Buffer.from('x'))
  await bucket.upload(`${d}/meta.json`, Buffer.from('{"version": 1'))
  await bucket.upload('debug/metas/x.json', Buffer.from('{}'))
  await bucket.upload('meta.json', Buffer.from('{}'))
  const other = ulidOf(5)
  await bucket.upload(`${other}/meta.json`, Buffer.from('{"version": 2}'))
  const wrong = ulidOf(6)
  await bucket.upload(`${wrong}/meta.json`, await bucket.getRange(`${a}/meta.json`, 0, 10_000))
  const registry = createRegistry()
  const { metas, partial, unsupported } = await new MetaFetcher({ bucket, registry }).fetch()
  expect([...metas.keys()]).toEqual([a, b])
  expect(metas.get(a)).toMatchObject({ ulid: a, thanos: { labels: ['replica', 'a'] } })
  expect([...partial].map(([ulid, { reason, isUnfinished }]) => [ulid, reason.code, isUnfinished]).sort()).toEqual([
    [c, 'not_found', true],
    [d, 'corrupt', true],
    [wrong, 'corrupt', false],
  ])
  expect(Date.now() - partial.get(c)!.newestObjectMs).toBeLessThan(5000)
  expect([...unsupported.keys()]).toEqual([other])
  const metrics = await registry.metrics()
  expect(metrics).toContain('thanos_blocks_meta_synced{state="loaded"} 2')
  expect(metrics).toContain('thanos_blocks_meta_synced{state="no-meta-json"} 1')
  expect(metrics).toContain('thanos_blocks_meta_synced{state="corrupted-meta-json"} 2')
  expect(metrics).toContain('thanos_blocks_meta_synced{state="failed"} 1')
  expect(metrics).toContain('thanos_blocks_meta_synced{state="duplicate"} 0')
  expect(metrics).toContain('thanos_blocks_meta_syncs_total 1')
  expect(metrics).toContain('thanos_blocks_meta_sync_failures_total 0')
})

test('a meta is read once, and again when it was replaced', async () => {
  await putMeta(bucket, metaOf({ ulid: a }))
  await putMeta(bucket, metaOf({ ulid: b }))
  const fetcher = new MetaFetcher({ bucket })
  await fetcher.fetch()
  await fetcher.fetch()
  expect(bucket.reads).toHaveLength(2)
  await new Promise((resolve) => setTimeout(resolve, 5))
  await putMeta(bucket, metaOf({ ulid: b, maxTime: 5 }))
  expect((await fetcher.fetch()).metas.get(b)?.maxTime).toBe(5)
  expect(bucket.reads).toHaveLength(3)
  await bucket.delete(`${a}/meta.json`)
  expect([...(await fetcher.fetch()).metas.keys()]).toEqual([b])
})

test('a bucket that fails at one meta fails the sync; the next one reads what was missing', async () => {
  for (const ulid of [a, b, c]) await putMeta(bucket, metaOf({ ulid }))
  const registry = createRegistry()
  const fetcher = new MetaFetcher({ bucket, registry, concurrency: 1 })
  bucket.failing = `${b}/meta.json`
  await expect(fetcher.fetch()).rejects.toMatchObject({ code: 'unavailable' })
  expect(await registry.metrics()).toContain('thanos_blocks_meta_sync_failures_total 1')
  bucket.failing = undefined
  bucket.reads = []
  expect((await fetcher.fetch()).metas.size).toBe(3)
  expect(bucket.reads).toEqual([`${b}/meta.json`, `${c}/meta.json`])
})

test('a new process reads from its disk, unless the meta changed or its copy is broken', async () => {
  for (const ulid of [a, b, c]) await putMeta(bucket, metaOf({ ulid }))
  const fetch = () => new MetaFetcher({ bucket, dataDir }).fetch()
  await fetch()
  bucket.reads = []
  expect((await fetch()).metas.size).toBe(3)
  expect(bucket.reads).toEqual([])

  const copy = (ulid: string) => path.join(dataDir, 'meta-syncer', ulid, 'meta.json')
  const { mtime } = await fs.stat(copy(a))
  await fs.writeFile(copy(a), '{"torn')
  await fs.utimes(copy(a), mtime, mtime)
  await new Promise((resolve) => setTimeout(resolve, 5))
  await putMeta(bucket, metaOf({ ulid: b, maxTime: 5 }))
  await bucket.delete(`${c}/meta.json`)
  const { metas } = await fetch()
  expect([...metas.keys()]).toEqual([a, b])
  expect(metas.get(b)?.maxTime).toBe(5)
  expect(bucket.reads.sort()).toEqual([`${a}/meta.json`, `${b}/meta.json`])
  expect((await fs.readdir(path.join(dataDir, 'meta-syncer'))).sort()).toEqual([a, b])
})

test('an abort ends it', async () => {
  await putMeta(bucket, metaOf({ ulid: a }))
  await expect(new MetaFetcher({ bucket }).fetch(AbortSignal.abort())).rejects.toMatchObject({ code: 'canceled' })
})

test('what is wrong with a block is in the log once, and again when it has changed', async () => {
  await bucket.upload(`${a}/meta.json`, Buffer.from('{"version": 2}'))
  await putMeta(bucket, metaOf({ ulid: b }))
  await bucket.upload(`${b}/no-compact-mark.json`, Buffer.from('{"version": 7}'))
  const lines: string[] = []
  const logger = createLogger({ level: 'warn', sink: { write: (line) => void lines.push(line) } })
  const fetcher = new MetaFetcher({ bucket, logger, filters: [gatherMarksFilter('no-compact', { bucket, logger })] })
  const told = async () => {
    await fetcher.fetch()
    return lines.splice(0).map((line) => /msg="([^"]*)"/.exec(line)?.[1])
  }
  expect(await told()).toEqual(['block set aside', 'unreadable mark: honoured'])
  expect(await told()).toEqual([])
  await bucket.upload(`${a}/meta.json`, Buffer.from('{"version": 3}'))
  expect(await told()).toEqual(['block set aside'])
})

test.each([
  ['of another version', '{"version": 2}', 'failed'],
  ['broken off', '{"version": 1, "ul', 'corrupted-meta-json'],
])('a known block whose meta.json is %s stays in view where that is asked for', async (_, text, state) => {
  await putMeta(bucket, metaOf({ ulid: a }))
  const registry = createRegistry()
  const keeping = new MetaFetcher({ bucket, registry, keepsKnown: true })
  const plain = new MetaFetcher({ bucket })
  for (const fetcher of [keeping, plain]) expect((await fetcher.fetch()).metas.size).toBe(1)
  await new Promise((resolve) => setTimeout(resolve, 5))
  for (const ulid of [a, b]) await bucket.upload(`${ulid}/meta.json`, Buffer.from(text))
  for (let i = 0; i < 2; i++) {
    const { metas, partial, unsupported } = await keeping.fetch()
    expect([...metas.keys()]).toEqual([a])
    expect([...partial.keys(), ...unsupported.keys()]).toEqual([b])
  }
  expect(await registry.metrics()).toContain(`thanos_blocks_meta_synced{state="${state}"} 2`)
  expect((await plain.fetch()).metas.size).toBe(0)
  await bucket.delete(`${a}/meta.json`)
  expect((await keeping.fetch()).metas.size).toBe(0)
})
