// Buckets that nobody wants and somebody has: a label value of a megabyte, an index that is damaged in its middle, an object
// that is gone. The store answers with what it has and says what it lacks, the compactor sets aside and goes on, the tools tell.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { MetaFetcher } from '../../lib/blocks/fetcher.ts'
import { readMark } from '../../lib/blocks/markers.ts'
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import { bufferRandomAccess } from '../../lib/bytes/random-access.ts'
import { examineBlock } from '../../lib/compact/block-health.ts'
import { countCardinality } from '../../lib/compact/cardinality.ts'
import { repairBlock } from '../../lib/compact/repair.ts'
import { createLogger } from '../../lib/kit/log.ts'
import type { Labels } from '../../lib/labels/labels.ts'
import { MemoryBucket } from '../../lib/objstore/memory.ts'
import { IndexReader } from '../../lib/tsdb/index-reader.ts'
import { putMadeBlock, viewOf } from '../support/made-blocks.ts'
import { compactorOver } from '../support/test-compactor.ts'
import { collectSeries, openTestStore } from '../support/test-store.ts'

const hourMs = 3_600_000
const signal = new AbortController().signal
const workFolder = await mkdtemp(path.join(tmpdir(), 'mnemo-odd-'))
afterAll(() => rm(workFolder, { recursive: true }))
const request = {
  minTime: 0,
  maxTime: 100 * hourMs,
  matchers: [{ type: '=~', name: '__name__', value: '.+' } as const],
}

/** Blocks of two hours, the newest of which no compactor touches; `extra` are further series of each. */
async function put(bucket: MemoryBucket, number: number, extra: readonly Labels[] = []): Promise<BlockMeta> {
  const minTime = number * 2 * hourMs
  const labels = [...Array.from({ length: 50 }, (_, i) => ['__name__', `metric_${100 + i}`, 'job', 'x']), ...extra]
  const series = labels.map((one) => ({
    labels: one,
    samples: Array.from({ length: 20 }, (_, i): [number, number] => [minTime + i * 60_000, i]),
  }))
  return putMadeBlock(bucket, { minTime, maxTime: minTime + 2 * hourMs, series })
}

async function compact(bucket: MemoryBucket) {
  return compactorOver(bucket, { workFolder, nowMs: Date.now(), downsampling: false }).run(signal)
}

test('a label value of a megabyte: served, found, merged, counted', async () => {
  const bucket = new MemoryBucket()
  const value = `v${'é'.repeat(2 ** 19)}`
  const metas: BlockMeta[] = []
  for (let i = 0; i < 6; i++) metas.push(await put(bucket, i, [['__name__', 'zz', 'huge', value]]))
  const lines = await viewOf(bucket)
  expect((await compact(bucket)).error).toBeUndefined()
  expect(await viewOf(bucket, 0)).toEqual(lines)
  const store = await openTestStore(bucket)
  try {
    const matchers = [{ type: '=', name: 'huge', value } as const]
    const { series, warnings } = await collectSeries(store.api, { ...request, matchers })
    expect(warnings).toEqual([])
    expect(series.map(({ labels }) => labels.length)).toEqual([6])
    const values = await store.api.labelValues('huge', { ...request, matchers: [] }, signal)
    expect(values.values).toEqual([value])
  } finally {
    await store.close()
  }
  const counted = await countCardinality(bucket, metas, { isChosen: () => true, signal })
  expect(counted.labels.get('huge')?.get(value)?.series).toBe(1)
  expect(await examineBlock(bucket, metas[5]!, { chunks: true, signal })).toEqual({ index: [], chunks: [] })
}, 60_000)

/** One byte in the middle of the series of the block's index. */
async function damageIndex(bucket: MemoryBucket, { ulid }: BlockMeta): Promise<void> {
  const bytes = Buffer.from(await bucket.getRange(`${ulid}/index`, 0, 1e7))
  const { toc } = await IndexReader.open(bufferRandomAccess('index', bytes))
  bytes[Math.floor((toc.series + toc.labelIndices) / 32) * 16 + 3]! ^= 0xff
  await bucket.upload(`${ulid}/index`, bytes)
}

test('an index damaged in its middle: the rest is served and merged, the block is named, and repaired', async () => {
  const bucket = new MemoryBucket()
  const metas: BlockMeta[] = []
  for (let i = 0; i < 10; i++) metas.push(await put(bucket, i))
  const bad = metas[2]!
  await damageIndex(bucket, bad)
  const store = await openTestStore(bucket)
  try {
    const { series, warnings } = await collectSeries(store.api, request)
    expect(warnings.join()).toContain(bad.ulid)
    expect(series).toHaveLength(50)
  } finally {
    await store.close()
  }
  const round = await compact(bucket)
  expect([...round.setAside]).toEqual([bad.ulid])
  expect(await readMark(bucket, bad.ulid, 'no-compact')).toMatchObject({ details: expect.stringContaining(bad.ulid) })
  const { metas: left } = await new MetaFetcher({ bucket }).fetch()
  expect([...left.values()].some(({ compaction }) => compaction.level > 1)).toBe(true)
  const health = await examineBlock(bucket, bad, { chunks: true, signal })
  expect(health.index).toEqual([expect.stringContaining('checksum')])
  const options = { backup: new MemoryBucket(), deleteDelayMs: 0, logger: createLogger({ level: 'silent' }), signal }
  const repaired = await repairBlock(bucket, bad, options)
  const fixed = (await new MetaFetcher({ bucket }).fetch()).metas.get(repaired)!
  expect(fixed.stats.numSeries).toBe(49)
})

test.each(['index', 'chunks/000001'])('%s deleted under a store that has the block loaded', async (file) => {
  const bucket = new MemoryBucket()
  const metas: BlockMeta[] = []
  for (let i = 0; i < 10; i++) metas.push(await put(bucket, i))
  const bad = metas[2]!
  const store = await openTestStore(bucket)
  try {
    expect((await collectSeries(store.api, request)).warnings).toEqual([])
    const fresh = await openTestStore(bucket)
    await bucket.delete(`${bad.ulid}/${file}`)
    const { series, warnings } = await collectSeries(fresh.api, request)
    await fresh.close()
    expect(warnings.join()).toContain(bad.ulid)
    expect(series).toHaveLength(50)
    // What the store has of the block in its caches may be answer enough; else the call fails, and says for which block.
    const strict = collectSeries(store.api, { ...request, partialResponseDisabled: true })
    await strict.catch((error: unknown) => expect(String(error)).toContain(bad.ulid))
  } finally {
    await store.close()
  }
  const round = await compact(bucket)
  expect([...round.setAside]).toEqual([bad.ulid])
  const { metas: left } = await new MetaFetcher({ bucket }).fetch()
  expect([...left.values()].some(({ compaction }) => compaction.level > 1)).toBe(true)
})
