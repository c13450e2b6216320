// A bucket of 20,000 blocks, as years of a few replicas leave one: listed, synced, planned and shown in linear time and requests.
// Metas alone are made; the store's index-headers are one, opened once, and stand for all.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MetaFetcher } from '../../lib/blocks/fetcher.ts'
import { consistencyDelayFilter, deduplicateFilter, replacedReplicaFilter } from '../../lib/blocks/filters.ts'
import { IndexHeader } from '../../lib/blocks/index-header.ts'
import { buildIndexHeader } from '../../lib/blocks/index-header-build.ts'
import { gatherMarksFilter, ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import { formatMeta } from '../../lib/blocks/meta-format.ts'
import { newUlid } from '../../lib/blocks/ulid.ts'
import { bufferRandomAccess } from '../../lib/bytes/random-access.ts'
import { PageCache } from '../../lib/bytes/sync-bytes.ts'
import { planDownsampling } from '../../lib/compact/downsample-plan.ts'
import { defaultRangesMs, groupBlocks, planGroup } from '../../lib/compact/plan.ts'
import { Gate } from '../../lib/kit/gate.ts'
import { createLogger } from '../../lib/kit/log.ts'
import { Registry } from '../../lib/kit/metrics.ts'
import { MemoryBucket } from '../../lib/objstore/memory.ts'
import { BlockMirror } from '../../lib/store/block-mirror.ts'
import { BlockNotices } from '../../lib/store/block-notices.ts'
import { BlockSet } from '../../lib/store/block-set.ts'
import { IndexCache } from '../../lib/store/index-cache.ts'
import { createStoreMetrics } from '../../lib/store/metrics.ts'
import { SeriesCache } from '../../lib/store/series-cache.ts'
import { noBoundMs } from '../../lib/storeapi/types.ts'
import { metaOf } from '../support/block-metas.ts'
import { CountingBucket } from '../support/counting-bucket.ts'
import { rawIndex } from '../support/raw-index.ts'
import { configOf, tools } from '../support/tools.ts'

const blocks = 20_000
const replicas = 20
const twoHoursMs = 7_200_000
/** Where a range of eight hours begins. */
const startMs = Math.ceil(1_600_000_000_000 / (4 * twoHoursMs)) * 4 * twoHoursMs
const signal = new AbortController().signal
const logger = createLogger({ level: 'silent' })
/** What one block may take of the heap, in all that is kept of it. */
const heapPerBlockBytes = 16 * 1024

/** In memory where the system has that: a disk would take longer over 20,000 folders than all else here. */
const root = mkdtempSync(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'mnemo-many-'))
afterAll(() => rmSync(root, { recursive: true }))
const objects = new MemoryBucket()
const bucket = new CountingBucket(objects)
let fetcher: MetaFetcher
let metas: ReadonlyMap<string, BlockMeta>

function metaOfNumber(number: number): BlockMeta {
  const minTime = startMs + Math.floor(number / replicas) * twoHoursMs
  const ulid = newUlid(minTime + twoHoursMs)
  const files = [
    { relPath: 'chunks/000001', sizeBytes: 1e8 },
    { relPath: 'index', sizeBytes: 1e7 },
    { relPath: 'meta.json' },
  ]
  const labels = ['cluster', 'eu', 'replica', String(number % replicas)]
  return metaOf({ ulid, minTime, maxTime: minTime + twoHoursMs, thanos: { labels, files, segmentFiles: ['000001'] } })
}

/** What the work adds to the heap, and how long it takes; printed, since figures tell more than a bound. */
async function measured<T>(what: string, work: () => Promise<T> | T): Promise<T> {
  const heapBefore = process.memoryUsage().heapUsed
  const began = performance.now()
  const result = await work()
  const heapBytes = process.memoryUsage().heapUsed - heapBefore
  console.log(
    `${blocks} blocks, ${what}: ${Math.round(performance.now() - began)} ms, ${Math.round(heapBytes / 2 ** 20)} MiB of heap`,
  )
  expect(heapBytes).toBeLessThan(blocks * heapPerBlockBytes)
  return result
}

beforeAll(async () => {
  const made = Array.from({ length: blocks }, (_, i) => metaOfNumber(i))
  for (const meta of made) await objects.upload(`${meta.ulid}/meta.json`, Buffer.from(formatMeta(meta)))
  const deletionMarks = ignoreDeletionMarkFilter(0, { bucket })
  const filters = [
    consistencyDelayFilter(1_800_000),
    deletionMarks,
    deduplicateFilter(() => deletionMarks.marks),
    replacedReplicaFilter(),
    gatherMarksFilter('no-compact', { bucket }),
  ]
  fetcher = new MetaFetcher({ bucket, filters })
})

test('the first sync reads each meta once, the next one none', async () => {
  metas = (await measured('first sync', () => fetcher.fetch(signal))).metas
  expect(metas.size).toBe(blocks)
  expect(bucket.reads).toHaveLength(blocks)
  expect((await measured('next sync', () => fetcher.fetch(signal))).metas.size).toBe(blocks)
  expect(bucket.reads).toHaveLength(blocks)
})

test('the compactor plans every group', async () => {
  const options = { rangesMs: defaultRangesMs, noCompact: new Set<string>(), maxIndexBytes: 64 * 2 ** 30 }
  const groups = await measured('planning', () => groupBlocks(metas.values()))
  expect(groups).toHaveLength(replicas)
  const plans = await measured('plans', () => groups.map((group) => planGroup(group.blocks, options)))
  for (const plan of plans) expect(plan.merge).toHaveLength(4)
  const retention = { rawMs: 0, fiveMinutesMs: 0, oneHourMs: 0 }
  const downsampling = { retention, nowMs: Date.now(), noDownsample: new Set<string>(), deleted: new Set<string>() }
  expect(await measured('downsampling planned', () => planDownsampling(metas.values(), downsampling))).toEqual([])
})

test('the store takes all of them up, and chooses among them', async () => {
  const file = path.join(root, 'index-header')
  await buildIndexHeader(bufferRandomAccess('index', rawIndex([{ labels: ['__name__', 'up'], chunks: [] }])), file)
  const header = await IndexHeader.open(file)
  const shared = new Proxy(header, {
    get(target, key: keyof IndexHeader) {
      if (key === 'close') return () => {}
      const value = target[key]
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const reading = {
    bucket,
    cache: new IndexCache(1 << 20),
    seriesCache: new SeriesCache(0),
    gate: new Gate({ maxRunning: 4, maxBytes: 1 << 20 }),
  }
  const mirror = new BlockMirror({ reading, pages: new PageCache(1 << 20), logger, ask: () => {} })
  const set = new BlockSet({
    dataDir: path.join(root, 'store'),
    bucket,
    observer: new BlockNotices((notice) => mirror.apply(structuredClone(notice))),
    fetchBlocks: async () => ({ metas: new Map(metas), partial: new Map(), unsupported: new Map() }),
    openHeader: async () => shared,
    loadConcurrency: 20,
    logger,
    metrics: createStoreMetrics(new Registry()),
  })
  try {
    await measured('taken up by the store', () => set.sync(signal))
    expect(set.metas).toHaveLength(blocks)
    expect(mirror.leaseAll({ minTime: -noBoundMs, maxTime: noBoundMs }, () => true).blocks).toHaveLength(blocks)
    await measured('nothing new', () => set.sync(signal))
  } finally {
    await set.close()
    header.close()
  }
})

test('tools bucket ls prints each of them', async () => {
  const directory = path.join(root, 'bucket')
  for (const meta of metas.values()) {
    mkdirSync(path.join(directory, meta.ulid), { recursive: true })
    writeFileSync(path.join(directory, meta.ulid, 'meta.json'), formatMeta(meta))
  }
  const { status, lines, output } = await tools('bucket', 'ls', configOf(directory))
  expect(status).toBe(0)
  expect(output).toContain(`objects=${blocks}`)
  expect(new Set(lines)).toEqual(new Set(metas.keys()))
}, 120_000)
