// Repair: what can be read of a damaged block stands for it, whatever call fails; the backup has it as it was.
import { beforeAll, expect, test } from 'vitest'
import { MetaFetcher } from '../../../lib/blocks/fetcher.ts'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import { bufferRandomAccess } from '../../../lib/bytes/random-access.ts'
import { examineBlock } from '../../../lib/compact/block-health.ts'
import { removeBlock, repairBlock } from '../../../lib/compact/repair.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import type { Bucket } from '../../../lib/objstore/bucket.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { IndexReader } from '../../../lib/tsdb/index-reader.ts'
import type { SeriesEntry } from '../../../lib/tsdb/series-entry.ts'
import { bucketIsGone, Faults, faultModes, faultyBucket } from '../../support/faults.ts'
import { putMadeBlock, viewOf } from '../../support/made-blocks.ts'
import { rawIndex } from '../../support/raw-index.ts'

const signal = new AbortController().signal
const logger = createLogger({ level: 'silent' })
const startMs = 1_700_000_000_000

let sound: MemoryBucket
let meta: BlockMeta
let lines: string[]
let reader: IndexReader
let series: readonly SeriesEntry[]

beforeAll(async () => {
  sound = new MemoryBucket()
  const made = Array.from({ length: 12 }, (_, s) => ({
    labels: ['__name__', `metric_${String(s).padStart(2, '0')}`, 'job', 'x'],
    samples: Array.from({ length: 200 }, (_, i): [number, number] => [startMs + 1000 * i, s + i]),
  }))
  meta = await putMadeBlock(sound, { minTime: startMs, maxTime: startMs + 200_000, series: made })
  lines = await viewOf(sound)
  reader = await IndexReader.open(bufferRandomAccess('index', await sound.getRange(`${meta.ulid}/index`, 0, 1e6)))
  series = await Array.fromAsync(reader.allSeries())
})

async function copyOf(from: Bucket): Promise<MemoryBucket> {
  const to = new MemoryBucket()
  for await (const { name } of from.list('', { recursive: true }))
    await to.upload(name, await from.getRange(name, 0, 1e7))
  return to
}

async function contents(bucket: Bucket): Promise<Record<string, string>> {
  const out: Record<string, string> = {}
  for await (const { name } of bucket.list('', { recursive: true }))
    out[name] = Buffer.from(await bucket.getRange(name, 0, 1e7)).toString('base64')
  return out
}

async function changed(file: string, change: (bytes: Buffer) => Uint8Array): Promise<MemoryBucket> {
  const bucket = await copyOf(sound)
  const name = `${meta.ulid}/${file}`
  await bucket.upload(name, change(Buffer.from(await bucket.getRange(name, 0, 1e7))))
  return bucket
}

const flip = (at: number) => (bytes: Buffer) => {
  bytes[at]! ^= 0xff
  return bytes
}
const withSeries = (all: readonly SeriesEntry[]) => () => rawIndex(all)

async function expectSound(bucket: Bucket, ulid: string): Promise<BlockMeta> {
  const repaired = (await new MetaFetcher({ bucket }).fetch()).metas.get(ulid)!
  expect(await examineBlock(bucket, repaired, { chunks: true, signal })).toEqual({ index: [], chunks: [] })
  return repaired
}

const samplesPerSeries = 200

test.each<[string, string, () => (bytes: Buffer) => Uint8Array, number]>([
  ['a series entry damaged', 'index', () => flip(series.length > 0 ? refOf(5) * 16 + 3 : 0), samplesPerSeries],
  ['the length of an entry damaged', 'index', () => flip(refOf(5) * 16), samplesPerSeries],
  ['the postings damaged', 'index', () => flip(reader.toc.postings + 12), 0],
  ['the offset table damaged', 'index', () => flip(reader.toc.postingsTable + 20), 0],
  ['the table of contents damaged', 'index', () => (bytes) => flip(bytes.length - 10)(bytes), 0],
  ['the index cut behind its series', 'index', () => (bytes) => bytes.subarray(0, reader.toc.postings), 0],
  [
    'the index cut inside a series',
    'index',
    () => (bytes) => bytes.subarray(0, refOf(9) * 16 + 5),
    3 * samplesPerSeries,
  ],
  ['a chunk damaged', 'chunks/000001', () => flip(20), 120],
  ['the segment cut', 'chunks/000001', () => (bytes) => bytes.subarray(0, bytes.length - 1), 80],
  ['series out of order', 'index', () => withSeries(series.toReversed()), 0],
  [
    'labels out of order',
    'index',
    () => withSeries(series.map(({ labels: [a, b, c, d], chunks }) => ({ labels: [c!, d!, a!, b!], chunks }))),
    0,
  ],
  [
    'chunks out of order',
    'index',
    () => withSeries(series.map((one) => ({ ...one, chunks: one.chunks.toReversed() }))),
    0,
  ],
  [
    'chunks twice',
    'index',
    () => withSeries(series.map((one) => ({ ...one, chunks: [...one.chunks, one.chunks[0]!] }))),
    0,
  ],
  ['a series twice', 'index', () => withSeries([series[0]!, ...series]), 0],
])('%s: all else is there, once', async (_, file, change, lost) => {
  const bucket = await changed(file, change())
  const before = await contents(bucket)
  const backup = new MemoryBucket()
  expect(Object.values(await examineBlock(bucket, meta, { chunks: true, signal })).flat()).not.toEqual([])
  const ulid = await repairBlock(bucket, meta, { backup, deleteDelayMs: 0, logger, signal })
  expect(ulid < meta.ulid).toBe(true)
  expect(await contents(backup)).toEqual(before)
  const repaired = await expectSound(bucket, ulid)
  expect(repaired).toMatchObject({
    minTime: meta.minTime,
    compaction: meta.compaction,
    thanos: { source: 'bucket.repair' },
  })
  const after = await viewOf(bucket)
  expect(after).toHaveLength(lines.length - lost)
  const wanted = new Set(lines)
  expect(after.every((line) => wanted.has(line))).toBe(true)
  expect(Object.keys(await contents(bucket)).filter((name) => name.startsWith(meta.ulid))).toEqual([])
})

function refOf(number: number): number {
  return (series[number] as SeriesEntry & { ref: number }).ref
}

test('what cannot be read at all stays as it is, and is not backed up', async () => {
  for (const bucket of [
    await changed('index', flip(12)),
    await changed('index', () => Buffer.alloc(3)),
    await changed('chunks/000001', () => Buffer.alloc(4)),
  ]) {
    const before = await contents(bucket)
    const backup = new MemoryBucket()
    const repairing = repairBlock(bucket, meta, { backup, deleteDelayMs: 0, logger, signal })
    await expect(repairing).rejects.toMatchObject({ code: 'corrupt' })
    expect(await contents(bucket)).toEqual(before)
    expect(await contents(backup)).toEqual({})
  }
})

// The series are read once before, to see whether they are in order.
test.each([
  { file: 'chunks/000001', wrongRead: 1 },
  { file: 'index', wrongRead: 2 },
])('a wrong byte of $file that comes once costs nothing: the next try has all', async ({ file, wrongRead }) => {
  const bucket = await changed('index', flip(reader.toc.postings + 12))
  const before = await contents(bucket)
  const place = file === 'index' ? refOf(5) * 16 + 3 : 20
  const read = bucket.getRange.bind(bucket)
  let reads = 0
  bucket.getRange = async (name, offset, length) => {
    const bytes = Buffer.from(await read(name, offset, length))
    const isThere = name === `${meta.ulid}/${file}` && offset <= place && place < offset + bytes.length
    return isThere && ++reads === wrongRead ? flip(place - offset)(bytes) : bytes
  }
  const options = { backup: new MemoryBucket(), deleteDelayMs: 0, logger, signal }
  await expect(repairBlock(bucket, meta, options)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('twice'),
  })
  expect(await contents(bucket)).toEqual(before)
  await repairBlock(bucket, meta, options)
  expect(await viewOf(bucket)).toEqual(lines)
})

test('chunks outside of the block’s time go, those partly inside stay and the block grows', async () => {
  const bucket = await copyOf(sound)
  const narrow = { ...meta, maxTime: startMs + 130_000 }
  const ulid = await repairBlock(bucket, narrow, { backup: new MemoryBucket(), deleteDelayMs: 0, logger, signal })
  expect((await expectSound(bucket, ulid)).maxTime).toBe(startMs + 199_001)
  const narrower = await copyOf(sound)
  const options = { backup: new MemoryBucket(), deleteDelayMs: 0, logger, signal }
  const second = await repairBlock(narrower, { ...meta, maxTime: startMs + 60_000 }, options)
  expect((await expectSound(narrower, second)).maxTime).toBe(startMs + 119_001)
  expect(await viewOf(narrower)).toHaveLength(12 * 120)
})

test.each([
  ...faultModes.map((mode) => ['bucket', mode, 0] as const),
  ['bucket', 'gone', 1000] as const,
  ['backup', 'gone', 0] as const,
])('any call of the %s failing (%s), delay %d: never a sample less or twice', async (which, mode, deleteDelayMs) => {
  for (let n = 1, reached = true; reached; n++) {
    // Postings alone are damaged: the samples can be read all the time.
    const bucket = await changed('index', flip(reader.toc.postings + 12))
    const damaged = await contents(bucket)
    const backup = new MemoryBucket()
    const faults = new Faults(n, mode, bucketIsGone)
    const faulty = (one: Bucket, name: string) => (which === name ? faultyBucket(one, faults) : one)
    const options = { backup: faulty(backup, 'backup'), deleteDelayMs, logger, signal }
    await repairBlock(faulty(bucket, 'bucket'), meta, options).catch((error: unknown) =>
      expect(error).toMatchObject({ code: 'unavailable' }),
    )
    reached = faults.reached
    expect(await viewOf(bucket), `call ${n}`).toEqual(lines)
    // The old one goes only when the backup is whole.
    const isGone = !(await bucket.exists(`${meta.ulid}/meta.json`))
    if (isGone) expect(await contents(backup), `call ${n}`).toEqual(damaged)
  }
})

test('a block that is there twice: the other one stays', async () => {
  const bucket = await copyOf(sound)
  const twin = await putMadeBlock(bucket, { minTime: startMs, maxTime: startMs + 200_000, series: [] })
  const backup = new MemoryBucket()
  await removeBlock(bucket, twin, { backup, deleteDelayMs: 0, logger, signal, details: 'twin' })
  expect(await viewOf(bucket)).toEqual(lines)
  expect(Object.keys(await contents(backup))).toContain(`${twin.ulid}/meta.json`)
})
