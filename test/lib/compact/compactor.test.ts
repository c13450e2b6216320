// The compactor's rounds over a bucket: what is merged, what is set aside, what is deleted. (crash-points.test.ts: failing at each call.)
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type FilterContext, MetaFetcher } from '../../../lib/blocks/fetcher.ts'
import { ignoreDeletionMarkFilter } from '../../../lib/blocks/mark-filters.ts'
import { putMark, readMark } from '../../../lib/blocks/markers.ts'
import { formatMeta } from '../../../lib/blocks/meta-format.ts'
import { uploadBlock } from '../../../lib/blocks/upload.ts'
import { runJob } from '../../../lib/compact/run-job.ts'
import { labelsOf } from '../../../lib/labels/labels.ts'
import type { Bucket } from '../../../lib/objstore/bucket.ts'
import { fileError } from '../../../lib/objstore/failures.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { metaOf } from '../../support/block-metas.ts'
import { copyOf, putTombstoned } from '../../support/crash-scenarios.ts'
import { goldenBlock } from '../../support/golden.ts'
import { type MadeBlock, putMadeBlock, viewOf } from '../../support/made-blocks.ts'
import { Random, seed } from '../../support/random.ts'
import { type TestCompactorOptions, compactorOver as testCompactorOver } from '../../support/test-compactor.ts'
import { thanosDuplicates } from '../../support/thanos-duplicates.ts'

const hourMs = 3_600_000
const signal = new AbortController().signal
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'compactor-'))
})
afterEach(() => rm(folder, { recursive: true }))

const compactorOver = (bucket: Bucket, options: Omit<TestCompactorOptions, 'workFolder'> = {}) =>
  testCompactorOver(bucket, { ...options, workFolder: path.join(folder, 'work') })

/** Two hours of some series that come and go, a sample a minute. */
function twoHours(hour: number, changes: Partial<MadeBlock> = {}): MadeBlock {
  const minTime = hour * hourMs
  const samples = Array.from({ length: 120 }, (_, i) => [minTime + i * 60_000, hour * 1000 + i] as const)
  const series = [
    { labels: labelsOf({ __name__: 'always', job: 'x' }), samples },
    { labels: labelsOf({ __name__: 'always', job: 'x', pod: `p${hour}` }), samples: samples.slice(10, 20) },
    ...(hour % 4 === 0 ? [{ labels: labelsOf({ __name__: 'sometimes' }), samples: samples.slice(-3) }] : []),
  ]
  return { minTime, maxTime: minTime + 2 * hourMs, series, ...changes }
}

async function fill(bucket: Bucket, hours: readonly number[], changes: Partial<MadeBlock> = {}): Promise<void> {
  for (const hour of hours) await putMadeBlock(bucket, twoHours(hour, changes))
}

async function metasIn(bucket: Bucket) {
  const fetched = await new MetaFetcher({ bucket, filters: [ignoreDeletionMarkFilter(-1, { bucket })] }).fetch()
  return [...fetched.metas.values()].sort((a, b) => a.minTime - b.minTime)
}

test('four blocks of two hours become one of eight; the inputs are marked, the samples are the same', async () => {
  const bucket = new MemoryBucket()
  await fill(bucket, [0, 2, 4, 6, 8])
  const before = await viewOf(bucket)
  await compactorOver(bucket).run(signal)
  expect(await viewOf(bucket)).toEqual(before)
  expect(await viewOf(bucket, -1)).toEqual(before)
  const metas = await metasIn(bucket)
  expect(metas.map(({ minTime, maxTime }) => [minTime / hourMs, maxTime / hourMs])).toEqual([
    [0, 8],
    [8, 10],
  ])
  const [merged] = metas
  expect(merged!.compaction).toMatchObject({ level: 2, sources: [...merged!.compaction.sources].sort() })
  expect(merged!.compaction.parents).toHaveLength(4)
  expect(merged!.thanos.source).toBe('compactor')
})

test('blocks without external labels are left alone before anything is read of them; other groups go on', async () => {
  const bucket = new MemoryBucket()
  await fill(bucket, [0, 2, 4, 6, 8])
  const nameless = await copyOf(bucket)
  for (const { ulid, ...meta } of await metasIn(bucket)) {
    const changed = { ...meta, ulid, thanos: { ...meta.thanos, labels: [] } }
    await nameless.upload(`${ulid}/meta.json`, Buffer.from(formatMeta(changed)))
  }
  await fill(nameless, [0, 2, 4, 6, 8], { externalLabels: ['g', '2'] })
  const jobs: string[] = []
  const runCounted: TestCompactorOptions['runJob'] = (job, signal) => {
    if (job.kind === 'compact') jobs.push(String(job.inputs[0]!.thanos.labels))
    return runJob(nameless, job, signal)
  }
  const { error } = await compactorOver(nameless, { runJob: runCounted }).run(signal)
  expect(error).toMatchObject({ code: 'bad_data', message: expect.stringContaining('1 failed') })
  expect(jobs).toEqual(['g,2'])
})

test('an upload that arrives changed is taken back: the inputs stay, and are merged the next time', async () => {
  const whole = new MemoryBucket()
  await fill(whole, [0, 2, 4, 6, 8])
  const before = await viewOf(whole)
  for (const object of ['chunks/000001', 'index']) {
    const bucket = await copyOf(whole)
    expect((await compactorOver(changing(bucket, object)).run(signal)).error).toMatchObject({ code: 'corrupt' })
    expect(await viewOf(bucket, -1)).toEqual(before)
    expect(await metasIn(bucket)).toHaveLength(5)
    await compactorOver(bucket).run(signal)
    expect(await viewOf(bucket, -1)).toEqual(before)
    expect(await metasIn(bucket)).toHaveLength(2)
  }
})

/** The bucket, but uploads of such objects arrive with a byte changed. */
function changing(bucket: Bucket, object: string): Bucket {
  return new Proxy(bucket, {
    get(target, key: keyof Bucket) {
      const value = target[key]
      if (key !== 'upload') return typeof value === 'function' ? value.bind(target) : value
      return async (name: string, body: Readable | Uint8Array) => {
        await target.upload(name, body)
        if (!name.endsWith(`/${object}`)) return
        const bytes = Buffer.from(await target.getRange(name, 0, (await target.attributes(name)).sizeBytes))
        bytes[bytes.length >> 1]! ^= 1
        await target.upload(name, bytes)
      }
    },
  })
}

test('groups are apart: replicas are not merged with each other', async () => {
  const bucket = new MemoryBucket()
  await fill(bucket, [0, 2, 4, 6, 8])
  await fill(bucket, [0, 2, 4, 6, 8], { externalLabels: ['replica', 'b'] })
  const before = await viewOf(bucket)
  await compactorOver(bucket).run(signal)
  expect(await viewOf(bucket)).toEqual(before)
  expect(await metasIn(bucket)).toHaveLength(4)
})

test('a block that cannot be read is set aside with its reason, and the others are merged', async () => {
  const bucket = new MemoryBucket()
  await fill(bucket, [0, 2, 4, 6, 8, 10, 12])
  const bad = (await metasIn(bucket))[1]!
  const name = `${bad.ulid}/chunks/000001`
  const bytes = Buffer.from(await bucket.getRange(name, 0, bad.thanos.files[0]!.sizeBytes!))
  bytes[40]! ^= 0xff
  await bucket.upload(name, bytes)
  await compactorOver(bucket).run(signal)
  const mark = await readMark(bucket, bad.ulid, 'no-compact')
  expect(mark?.details).toMatch(new RegExp(`${bad.ulid}.*000001`))
  const spans = (await metasIn(bucket)).map(({ minTime, maxTime }) => [minTime / hourMs, maxTime / hourMs])
  expect(spans).toEqual([
    [0, 2],
    [2, 4],
    [4, 8],
    [8, 10],
    [10, 12],
    [12, 14],
  ])
})

test(`wherever a segment is damaged, its block is named, and nothing stays of what it was merged into (SEED=${seed})`, async () => {
  const whole = new MemoryBucket()
  await fill(whole, [0, 2, 4, 6, 8])
  const bad = (await metasIn(whole))[2]!
  const name = `${bad.ulid}/chunks/000001`
  const size = bad.thanos.files[0]!.sizeBytes!
  const random = new Random(seed)
  for (const at of [8, 9, size - 1, ...Array.from({ length: 12 }, () => 8 + random.below(size - 8))]) {
    const bucket = await copyOf(whole)
    const bytes = Buffer.from(await bucket.getRange(name, 0, size))
    bytes[at]! ^= 1 << random.below(8)
    await bucket.upload(name, bytes)
    await compactorOver(bucket).run(signal)
    expect((await readMark(bucket, bad.ulid, 'no-compact'))?.details, `byte ${at}`).toContain(
      `${bad.ulid}/chunks/000001`,
    )
    const { metas, partial } = await new MetaFetcher({ bucket }).fetch()
    const ofBad = [...metas.values()].filter(({ compaction }) => compaction.sources.includes(bad.ulid))
    expect([ofBad.map(({ ulid }) => ulid), partial.size], `byte ${at}`).toEqual([[bad.ulid], 0])
  }
})

test('a read that comes out wrong once sets no block aside', async () => {
  const bucket = new MemoryBucket()
  await fill(bucket, [0, 2, 4, 6, 8])
  const before = await viewOf(bucket)
  const read = bucket.getRange.bind(bucket)
  let isWrong = true
  bucket.getRange = async (name, ...args) => {
    const bytes = await read(name, ...args)
    if (!isWrong || !name.endsWith('/chunks/000001') || bytes.length < 50) return bytes
    isWrong = false
    bytes[40]! ^= 1
    return bytes
  }
  expect((await compactorOver(bucket).run(signal)).error).toBeUndefined()
  expect(await viewOf(bucket, -1)).toEqual(before)
  expect(await metasIn(bucket)).toHaveLength(2)
})

test('a block rewritten without what is deleted stands for the old one in Thanos too, again and again', async () => {
  const bucket = new MemoryBucket()
  const atHour = 480_000
  await putTombstoned(bucket, twoHours(atHour))
  await fill(bucket, [atHour + 10])
  let want: string[] | undefined
  for (let round = 1; round <= 3; round++) {
    const [old] = await metasIn(bucket)
    const deleted = { ...old!, stats: { ...old!.stats, numTombstones: 1 } }
    await bucket.upload(`${old!.ulid}/meta.json`, Buffer.from(formatMeta(deleted)))
    expect((await compactorOver(bucket).run(signal)).error).toBeUndefined()
    const [rewritten] = await metasIn(bucket)
    expect(rewritten!.compaction).toMatchObject({ level: round + 1, sources: old!.compaction.sources })
    expect(await readMark(bucket, old!.ulid, 'deletion')).toBeDefined()
    const { metas } = await new MetaFetcher({ bucket }).fetch()
    const outdated = thanosDuplicates(metas.values())
    expect(outdated).toContain(old!.ulid)
    expect(outdated).not.toContain(rewritten!.ulid)
    want ??= await viewOf(bucket)
    expect(await viewOf(bucket)).toEqual(want)
    expect(await viewOf(bucket, -1)).toEqual(want)
  }
})

/** The view with samples that two blocks hold told once. */
const distinctViewOf = async (bucket: Bucket) => [...new Set(await viewOf(bucket))]

test('overlapping blocks become one, and then part of a range: each sample is there once', async () => {
  const bucket = new MemoryBucket()
  await fill(bucket, [0, 2, 4, 6, 8])
  await putMadeBlock(bucket, twoHours(2, { series: [twoHours(2).series[1]!] }))
  const want = await distinctViewOf(bucket)
  await compactorOver(bucket).run(signal)
  expect((await metasIn(bucket)).map(({ minTime, maxTime }) => [minTime / hourMs, maxTime / hourMs])).toEqual([
    [0, 8],
    [8, 10],
  ])
  expect(await viewOf(bucket, -1)).toEqual(want)
})

test('replicas become one block without their label, by penalty samples of one at a time', async () => {
  const bucket = new MemoryBucket()
  const later = twoHours(0).series.map(({ labels, samples }) => ({
    labels,
    samples: samples.map(([time, value]) => [time + 4000, value] as const),
  }))
  await putMadeBlock(bucket, twoHours(0, { externalLabels: ['cluster', 'x', 'replica', 'a'] }))
  const alone = await viewOf(bucket)
  await putMadeBlock(bucket, twoHours(0, { externalLabels: ['cluster', 'x', 'replica', 'b'], series: later }))
  await compactorOver(bucket, { replicaLabels: ['replica'], overlap: 'penalty' }).run(signal)
  const metas = await metasIn(bucket)
  expect(metas.map(({ thanos }) => thanos.labels)).toEqual([['cluster', 'x']])
  expect(await viewOf(bucket, -1)).toEqual(alone.map((line) => line.replace(', replica="a"', '')))
})

test('downsampled blocks that overlap are marked, and stay as they are', async () => {
  const bucket = new MemoryBucket()
  await putMadeBlock(bucket, twoHours(0, { maxTime: 48 * hourMs }))
  await putMadeBlock(bucket, twoHours(0, { maxTime: 48 * hourMs, externalLabels: ['replica', 'b'] }))
  await compactorOver(bucket).run(signal)
  const fiveMinutes = (await metasIn(bucket)).filter(({ thanos }) => thanos.resolutionMs > 0)
  expect(fiveMinutes).toHaveLength(2)
  await compactorOver(bucket, { replicaLabels: ['replica'] }).run(signal)
  for (const { ulid } of fiveMinutes)
    expect((await readMark(bucket, ulid, 'no-compact'))?.reason).toBe('downsample-vertical-compaction')
})

test('blocks beyond the retention are marked, and deleted once the delay has passed', async () => {
  const bucket = new MemoryBucket()
  await fill(bucket, [0, 24])
  const [old] = await metasIn(bucket)
  const retention = { rawMs: 20 * hourMs, fiveMinutesMs: 0, oneHourMs: 0 }
  await compactorOver(bucket, { nowMs: 30 * hourMs, retention, deleteDelayMs: hourMs, downsampling: false }).run(signal)
  expect((await readMark(bucket, old!.ulid, 'deletion'))?.details).toContain('retention')
  await compactorOver(bucket, { nowMs: 30.9 * hourMs, deleteDelayMs: hourMs }).clean(signal)
  expect(await bucket.exists(`${old!.ulid}/meta.json`)).toBe(true)
  await compactorOver(bucket, { nowMs: 31.1 * hourMs, deleteDelayMs: hourMs }).clean(signal)
  expect(await bucket.exists(`${old!.ulid}/index`)).toBe(false)
  expect(await metasIn(bucket)).toHaveLength(1)
})

test('a long block gets its 5 minutes, and no second time', async () => {
  const bucket = new MemoryBucket()
  await putMadeBlock(bucket, twoHours(0, { maxTime: 48 * hourMs }))
  const [raw] = await metasIn(bucket)
  for (let round = 0; round < 2; round++) {
    await compactorOver(bucket).run(signal)
    const metas = await metasIn(bucket)
    expect(metas.map(({ thanos }) => thanos.resolutionMs)).toEqual([0, 300_000])
    const { minTime, maxTime, compaction, stats } = metas[1]!
    expect({ minTime, maxTime, compaction }).toEqual({ minTime: 0, maxTime: 48 * hourMs, compaction: raw!.compaction })
    expect(stats).toMatchObject({ numSeries: 3, numChunks: 3, numSamples: 24 + 2 + 1 })
  }
})

test('a block that a selector picks by its ULID is downsampled once, though what comes of it is not seen', async () => {
  const bucket = new MemoryBucket()
  const { ulid } = await putMadeBlock(bucket, twoHours(0, { maxTime: 48 * hourMs }))
  const only = {
    apply: ({ metas }: FilterContext) => void [...metas.keys()].map((key) => key === ulid || metas.delete(key)),
  }
  const compactor = compactorOver(bucket, { filters: [only] })
  for (let round = 0; round < 2; round++) expect((await compactor.run(signal)).error).toBeUndefined()
  expect(await metasIn(bucket)).toHaveLength(2)
})

test('a raw block that expires is downsampled first, however short, and its 5 minutes to an hour', async () => {
  const bucket = new MemoryBucket()
  await fill(bucket, [0])
  const retention = { rawMs: 40 * hourMs, fiveMinutesMs: 240 * hourMs, oneHourMs: 0 }
  await compactorOver(bucket, { nowMs: 50 * hourMs, retention }).run(signal)
  expect((await metasIn(bucket)).map(({ thanos }) => thanos.resolutionMs)).toEqual([300_000])
  await compactorOver(bucket, { nowMs: 300 * hourMs, retention }).run(signal)
  expect((await metasIn(bucket)).map(({ thanos }) => thanos.resolutionMs)).toEqual([3_600_000])
})

test('native histograms, custom buckets among them, are downsampled and expire like floats', async () => {
  const bucket = new MemoryBucket()
  const golden = goldenBlock('blocks/histograms')
  const meta = metaOf({ ulid: golden.ulid, minTime: 1_700_006_400_000, maxTime: 1_700_013_600_000 })
  await uploadBlock(bucket, golden.folder, meta)
  const retention = { rawMs: 40 * hourMs, fiveMinutesMs: 240 * hourMs, oneHourMs: 0 }
  for (const [ageHours, resolutionMs] of [
    [50, 300_000],
    [300, 3_600_000],
  ] as const) {
    await compactorOver(bucket, { nowMs: meta.maxTime + ageHours * hourMs, retention }).run(signal)
    expect((await metasIn(bucket)).map(({ thanos }) => thanos.resolutionMs)).toEqual([resolutionMs])
  }
  expect(await bucket.exists(`${golden.ulid}/meta.json`)).toBe(false)
})

test('a block that cannot be downsampled is marked with its reason, and expires as it is', async () => {
  const bucket = new MemoryBucket()
  await putMadeBlock(bucket, twoHours(0, { maxTime: 48 * hourMs }))
  const [bad] = await metasIn(bucket)
  const name = `${bad!.ulid}/chunks/000001`
  const bytes = Buffer.from(await bucket.getRange(name, 0, bad!.thanos.files[0]!.sizeBytes!))
  bytes[40]! ^= 0xff
  await bucket.upload(name, bytes)
  const retention = { rawMs: 40 * hourMs, fiveMinutesMs: 0, oneHourMs: 0 }
  await compactorOver(bucket, { nowMs: 50 * hourMs, retention }).run(signal)
  expect((await readMark(bucket, bad!.ulid, 'no-downsample'))?.details).toMatch(new RegExp(`${bad!.ulid}.*000001`))
  expect(await readMark(bucket, bad!.ulid, 'deletion')).toBeUndefined()
  await compactorOver(bucket, { nowMs: 90 * hourMs, retention }).run(signal)
  expect(await readMark(bucket, bad!.ulid, 'deletion')).toBeDefined()
})

test('an upload that was never finished is deleted after two days, not before', async () => {
  const bucket = new MemoryBucket()
  await fill(bucket, [0])
  const [meta] = await metasIn(bucket)
  await bucket.delete(`${meta!.ulid}/meta.json`)
  await compactorOver(bucket, { nowMs: Date.now() + 47 * hourMs }).clean(signal)
  expect(await bucket.exists(`${meta!.ulid}/index`)).toBe(true)
  await compactorOver(bucket, { nowMs: Date.now() + 49 * hourMs }).clean(signal)
  expect(await bucket.exists(`${meta!.ulid}/index`)).toBe(false)
})

test('downsampling, retention and cleaning have their turn while a group is compacted', async () => {
  const bucket = new MemoryBucket()
  await fill(bucket, [0, 2, 4, 6, 8])
  await putMadeBlock(bucket, twoHours(0, { maxTime: 48 * hourMs, externalLabels: ['replica', 'b'] }))
  let compacted = false
  const compactor = compactorOver(bucket, {
    turnMs: 1,
    runJob: async (job, jobSignal) => {
      if (job.kind === 'compact') {
        await vi.waitUntil(async () => (await metasIn(bucket)).some(({ thanos }) => thanos.resolutionMs > 0), 20_000)
        compacted = true
      }
      return runJob(bucket, job, jobSignal)
    },
  })
  expect((await compactor.run(signal)).error).toBeUndefined()
  expect(compacted).toBe(true)
})

test('a full disk: the group waits, the round says so, and nothing is left on the disk', async () => {
  const bucket = new MemoryBucket()
  await fill(bucket, [0, 2, 4, 6, 8])
  await fill(bucket, [0, 2, 4, 6, 8], { externalLabels: ['replica', 'b'] })
  const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
  const compactor = compactorOver(bucket, {
    runJob: async (job, jobSignal) => {
      if (job.kind === 'compact' && job.inputs[0]!.thanos.labels.includes('a')) {
        await mkdir(job.folder, { recursive: true })
        throw fileError(full, `write ${job.folder}`)
      }
      return runJob(bucket, job, jobSignal)
    },
  })
  const { error, setAside } = await compactor.run(signal)
  expect(error).toMatchObject({ code: 'unavailable' })
  expect(setAside.size).toBe(0)
  expect(await readdir(path.join(folder, 'work'))).toEqual([])
  expect((await metasIn(bucket)).filter(({ thanos }) => thanos.labels.includes('b'))).toHaveLength(2)
})

test('a block with a no-compact mark is in no plan', async () => {
  const bucket = new MemoryBucket()
  await fill(bucket, [0, 2, 4, 6, 8])
  const [first] = await metasIn(bucket)
  await putMark(bucket, first!.ulid, 'no-compact')
  await compactorOver(bucket).run(signal)
  expect((await metasIn(bucket)).map(({ minTime }) => minTime / hourMs)).toEqual([0, 2, 8])
})
