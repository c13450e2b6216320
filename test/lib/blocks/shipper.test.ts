// What the shipper brings into a bucket: each block once and whole, whatever fails and wherever it was killed.
// Owns a data folder a test.
import { createHash } from 'node:crypto'
import { cp, link, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import { formatMeta } from '../../../lib/blocks/meta-format.ts'
import { parseMeta } from '../../../lib/blocks/meta-parse.ts'
import { Shipper, type ShipperOptions } from '../../../lib/blocks/shipper.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import type { Labels } from '../../../lib/labels/labels.ts'
import type { Bucket } from '../../../lib/objstore/bucket.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { metaOf, ulidOf } from '../../support/block-metas.ts'
import { viewOf, writeMadeBlock } from '../../support/made-blocks.ts'

const hourMs = 3_600_000
const signal = new AbortController().signal
let tsdb: string

beforeEach(async () => {
  tsdb = await mkdtemp(path.join(tmpdir(), 'shipper-'))
  await mkdir(path.join(tsdb, 'wal'))
  await writeFile(path.join(tsdb, 'lock'), '')
})
afterEach(() => rm(tsdb, { recursive: true }))

function shipperTo(bucket: Bucket, changes: Partial<ShipperOptions> = {}): Shipper {
  return new Shipper({
    bucket,
    tsdbPath: tsdb,
    stateFile: 'thanos.shipper.json',
    labels: () => ['cluster', 'x', 'replica', 'a'],
    logger: createLogger({ level: 'silent' }),
    registry: createRegistry(),
    ...changes,
  })
}

/** A block of two hours in the data folder. */
function write(hour: number, { level = 1, labels = [] as Labels } = {}): Promise<BlockMeta> {
  const minTime = hour * hourMs
  const samples = Array.from({ length: 130 }, (_, i) => [minTime + i * 50_000, i] as const)
  const series = [{ labels: ['__name__', 'up', 'hour', String(hour)], samples }]
  return writeMadeBlock(tsdb, {
    minTime,
    maxTime: minTime + 2 * hourMs,
    series,
    level,
    externalLabels: labels,
    ulid: ulidOf(100 - hour),
  })
}

async function uploadOrder(bucket: Bucket): Promise<string[]> {
  const blocks: string[] = []
  for await (const { name } of bucket.list('')) blocks.push(name.slice(0, -1))
  return blocks
}

const state = async () => JSON.parse(await readFile(path.join(tsdb, 'thanos.shipper.json'), 'utf8')) as unknown
const leftovers = async () => readdir(path.join(tsdb, 'thanos', 'upload')).catch(() => [])

/** Fails at the k-th call, before it does anything or after all is done. */
function failingAt(inner: Bucket, k: number, when: 'before' | 'after') {
  let calls = 0
  const bucket = new Proxy(inner, {
    get(target, key) {
      const value = Reflect.get(target, key) as unknown
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        calls++
        const failed = calls === k
        if (failed && when === 'before') throw new MnemoError('unavailable', `call ${k} fails`)
        const result = (await Reflect.apply(value, target, args)) as unknown
        if (failed) throw new MnemoError('unavailable', `the answer of call ${k} is lost`)
        return result
      }
    },
  })
  return { bucket, reached: () => calls >= k }
}

test('new blocks are shipped once, oldest first, with the external labels', async () => {
  const bucket = new MemoryBucket()
  const order: string[] = []
  const watched = new Proxy(bucket, {
    get: (target, key) => {
      const value = Reflect.get(target, key) as unknown
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        if (key === 'upload') order.push(String(args[0]))
        return Reflect.apply(value, target, args) as unknown
      }
    },
  })
  const metas = [await write(4), await write(0), await write(2, { labels: ['own', 'kept?'] })]
  const shipper = shipperTo(watched)
  expect(await shipper.sync(signal)).toBe(3)
  const oldestFirst = [metas[1]!, metas[2]!, metas[0]!].map(({ ulid }) => ulid)
  expect(order).toEqual(
    oldestFirst.flatMap((ulid) => ['chunks/000001', 'index', 'meta.json'].map((name) => `${ulid}/${name}`)),
  )
  expect(await state()).toEqual({ version: 1, uploaded: oldestFirst })
  const view = await viewOf(bucket)
  expect(view).toHaveLength(3 * 130)
  expect(view.every((line) => line.startsWith('{cluster="x", replica="a"} '))).toBe(true)
  expect(await leftovers()).toEqual([])
  expect(await shipper.sync(signal)).toBe(0)
  expect(order).toHaveLength(9)
  const newest = await write(6)
  expect(await shipper.sync(signal)).toBe(1)
  expect(await state()).toEqual({ version: 1, uploaded: [...oldestFirst, newest.ulid] })
})

test('compacted and empty blocks, and what is no block, stay where they are', async () => {
  await write(0, { level: 2 })
  const empty = metaOf({ ulid: ulidOf(7) })
  await mkdir(path.join(tsdb, empty.ulid))
  const text = formatMeta({ ...empty, stats: { numSamples: 0, numSeries: 0, numChunks: 0 } })
  await writeFile(path.join(tsdb, empty.ulid, 'meta.json'), text)
  await writeFile(path.join(tsdb, ulidOf(8)), 'a file')
  await mkdir(path.join(tsdb, `${ulidOf(9)}.tmp-for-creation`))
  const bucket = new MemoryBucket()
  expect(await shipperTo(bucket).sync(signal)).toBe(0)
  expect(await uploadOrder(bucket)).toEqual([])
  // Written all the same: Prometheus may be waiting for it (--storage.tsdb.delay-compact-file.path).
  expect(await state()).toEqual({ version: 1, uploaded: [] })
})

describe('blocks that Prometheus has compacted', () => {
  const compacted = { uploadCompacted: true }

  test('are shipped where the bucket has nothing of their time, and counted as done', async () => {
    const bucket = new MemoryBucket()
    const [old, fresh] = [await write(0, { level: 3 }), await write(8)]
    const registry = createRegistry()
    expect(await shipperTo(bucket, { ...compacted, registry }).sync(signal)).toBe(2)
    expect(await uploadOrder(bucket)).toEqual([fresh.ulid, old.ulid].sort())
    expect(await state()).toEqual({ version: 1, uploaded: [old.ulid, fresh.ulid] })
    expect(await registry.metrics()).toContain('\nthanos_shipper_upload_compacted_done 1\n')
  })

  test('are left out where the bucket holds what they were compacted of', async () => {
    const bucket = new MemoryBucket()
    const source = await write(0)
    await shipperTo(bucket).sync(signal)
    const before = await viewOf(bucket)
    await rm(path.join(tsdb, source.ulid), { recursive: true })
    const again = { ...source, ulid: ulidOf(200), compaction: { level: 2, sources: [source.ulid] } }
    await cp(path.join(tsdb, (await write(0, { level: 2 })).ulid), path.join(tsdb, again.ulid), { recursive: true })
    await rm(path.join(tsdb, source.ulid), { recursive: true })
    await writeFile(path.join(tsdb, again.ulid, 'meta.json'), formatMeta(again))
    expect(await shipperTo(bucket, compacted).sync(signal)).toBe(0)
    expect(await viewOf(bucket)).toEqual(before)
    expect(await state()).toEqual({ version: 1, uploaded: [again.ulid] })
  })

  test('are named where the bucket has a part of their time; others are shipped all the same', async () => {
    const bucket = new MemoryBucket()
    const first = await write(0)
    await shipperTo(bucket).sync(signal)
    await rm(path.join(tsdb, first.ulid), { recursive: true })
    const overlapping = await write(1, { level: 2 })
    const fresh = await write(8)
    await expect(shipperTo(bucket, compacted).sync(signal)).rejects.toMatchObject({
      code: 'bad_data',
      cause: { message: expect.stringMatching(`compacted block ${overlapping.ulid}: .* in block ${first.ulid}`) },
    })
    expect(await uploadOrder(bucket)).toEqual([fresh.ulid, first.ulid].sort())
    // Those of another Prometheus don't matter.
    const other = shipperTo(bucket, { ...compacted, labels: () => ['replica', 'other'], stateFile: 'other.json' })
    expect(await other.sync(signal)).toBe(1)
  })
})

test('hashes of files go into meta.json, several files side by side', async () => {
  const bucket = new MemoryBucket()
  const { ulid } = await write(0)
  await shipperTo(bucket, { upload: { hashFunc: 'SHA256', concurrency: 4 } }).sync(signal)
  const { files } = parseMeta(await bucket.getRange(`${ulid}/meta.json`, 0, 1 << 20), 'meta.json').thanos
  const index = createHash('sha256')
    .update(await readFile(path.join(tsdb, ulid, 'index')))
    .digest('hex')
  expect(files!.map(({ relPath }) => relPath)).toEqual(['chunks/000001', 'index', 'meta.json'])
  expect(files![1]!.hash).toEqual({ func: 'SHA256', value: index })
  expect(files![2]!.hash).toBeUndefined()
})

describe('the state file', () => {
  const damages: Record<string, () => Promise<void>> = {
    lost: () => rm(path.join(tsdb, 'thanos.shipper.json')),
    'of an unknown version': () => writeFile(path.join(tsdb, 'thanos.shipper.json'), '{"version":2,"uploaded":["x"]}'),
    torn: () => writeFile(path.join(tsdb, 'thanos.shipper.json'), '{"version":1,"upl'),
    'with an odd list': () => writeFile(path.join(tsdb, 'thanos.shipper.json'), '{"version":1,"uploaded":"no"}'),
    "with Go's empty list": () => writeFile(path.join(tsdb, 'thanos.shipper.json'), '{"version":1,"uploaded":null}'),
    'that is null': () => writeFile(path.join(tsdb, 'thanos.shipper.json'), 'null'),
  }
  test.each(Object.keys(damages))('%s: nothing is shipped twice', async (name) => {
    const bucket = new MemoryBucket()
    const { ulid } = await write(0)
    await shipperTo(bucket).sync(signal)
    const before = await viewOf(bucket)
    await damages[name]!()
    const again = shipperTo(bucket)
    expect(await again.sync(signal)).toBe(0)
    expect(await viewOf(bucket)).toEqual(before)
    expect(await state()).toEqual({ version: 1, uploaded: [ulid] })
  })

  test('knows what the compactor has taken out of the bucket since, and forgets what Prometheus has deleted', async () => {
    const bucket = new MemoryBucket()
    const [first, second] = [await write(0), await write(2)]
    const shipper = shipperTo(bucket)
    await shipper.sync(signal)
    for await (const { name } of bucket.list('', { recursive: true })) await bucket.delete(name)
    expect(await shipper.sync(signal)).toBe(0)
    expect(await uploadOrder(bucket)).toEqual([])
    await rm(path.join(tsdb, first.ulid), { recursive: true })
    await shipper.sync(signal)
    expect(await state()).toEqual({ version: 1, uploaded: [second.ulid] })
  })
})

describe('a block that cannot be shipped does not hold up newer ones', () => {
  const faults: Record<string, (folder: string) => Promise<void>> = {
    'a torn meta.json': (folder) => writeFile(path.join(folder, 'meta.json'), '{"ulid":'),
    'no meta.json': (folder) => rm(path.join(folder, 'meta.json')),
    'the meta.json of another block': (folder) =>
      writeFile(path.join(folder, 'meta.json'), formatMeta(metaOf({ ulid: ulidOf(55) }))),
    'no index': (folder) => rm(path.join(folder, 'index')),
    'no chunks': (folder) => rm(path.join(folder, 'chunks'), { recursive: true }),
  }
  test.each(Object.keys(faults))('%s', async (name) => {
    const bucket = new MemoryBucket()
    const [broken, next] = [await write(0), await write(2)]
    const folder = path.join(tsdb, broken.ulid)
    const whole = path.join(tsdb, 'whole')
    await cp(folder, whole, { recursive: true })
    await faults[name]!(folder)
    const registry = createRegistry()
    const shipper = shipperTo(bucket, { registry })
    await expect(shipper.sync(signal)).rejects.toThrow('cannot ship 1 of')
    expect(await uploadOrder(bucket)).toEqual([next.ulid])
    expect(await state()).toEqual({ version: 1, uploaded: [next.ulid] })
    expect(await leftovers()).toEqual([])
    expect(await registry.metrics()).toMatch(/^thanos_shipper_dir_sync_failures_total 1$/m)
    // Mended, it is shipped.
    await rm(folder, { recursive: true })
    await cp(whole, folder, { recursive: true })
    expect(await shipper.sync(signal)).toBe(1)
    expect(await viewOf(bucket)).toHaveLength(2 * 130)
  })
})

describe.each(['before', 'after'] as const)('a bucket that fails at any call, %s it acts', (when) => {
  test('the next sync makes each block whole, once', async () => {
    await write(0)
    await write(2)
    for (let k = 1; ; k++) {
      const bucket = new MemoryBucket()
      const failing = failingAt(bucket, k, when)
      const shipped = await shipperTo(failing.bucket)
        .sync(signal)
        .catch(() => 0)
      // What is there is whole: a block without its meta.json is none.
      expect((await viewOf(bucket)).length % 130, `after call ${k}`).toBe(0)
      expect(await leftovers()).toEqual([])
      if (!failing.reached()) {
        expect(k).toBeGreaterThan(8)
        return
      }
      await shipperTo(bucket).sync(signal)
      expect(shipped).toBeLessThanOrEqual(2)
      expect(await viewOf(bucket), `call ${k} failed`).toHaveLength(2 * 130)
      await rm(path.join(tsdb, 'thanos.shipper.json'))
    }
  })
})

test('an abort ends a sync without a word of failure, and the next goes on', async () => {
  const bucket = new MemoryBucket()
  await write(0)
  const stop = new AbortController()
  const stopping = new Proxy(bucket, {
    get: (target, key) => {
      if (key === 'upload') stop.abort()
      const value = Reflect.get(target, key) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const registry = createRegistry()
  await expect(shipperTo(stopping, { registry }).sync(stop.signal)).rejects.toThrow()
  expect(await registry.metrics()).toMatch(/^thanos_shipper_upload_failures_total 0$/m)
  expect(await viewOf(bucket)).toEqual([])
  expect(await shipperTo(bucket).sync(signal)).toBe(1)
})

test('without external labels nothing is shipped', async () => {
  const bucket = new MemoryBucket()
  await write(0)
  let labels: Labels = []
  const shipper = shipperTo(bucket, { labels: () => labels })
  await expect(shipper.sync(signal)).rejects.toMatchObject({ code: 'bad_data' })
  expect(await uploadOrder(bucket)).toEqual([])
  labels = ['replica', 'b']
  expect(await shipper.sync(signal)).toBe(1)
})

test('what a killed upload has linked is let go at the next sync, and is no harm to it', async () => {
  const bucket = new MemoryBucket()
  const { ulid } = await write(0)
  for (const block of [ulid, ulidOf(50)]) {
    const folder = path.join(tsdb, 'thanos', 'upload', block)
    await mkdir(path.join(folder, 'chunks'), { recursive: true })
    await link(path.join(tsdb, ulid, 'index'), path.join(folder, 'index'))
  }
  expect(await shipperTo(bucket).sync(signal)).toBe(1)
  expect(await leftovers()).toEqual([])
  expect((await stat(path.join(tsdb, ulid, 'index'))).nlink).toBe(1)
  expect(await viewOf(bucket)).toHaveLength(130)
})

test('Prometheus may delete a block while it is uploaded, or before', async () => {
  const bucket = new MemoryBucket()
  const [first, second] = [await write(0), await write(2)]
  const deleting = new Proxy(bucket, {
    get: (target, key) => {
      const value = Reflect.get(target, key) as unknown
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        if (key === 'upload')
          for (const { ulid } of [first, second]) await rm(path.join(tsdb, ulid), { recursive: true, force: true })
        return Reflect.apply(value, target, args) as unknown
      }
    },
  })
  expect(await shipperTo(deleting).sync(signal)).toBe(1)
  expect(await viewOf(bucket)).toHaveLength(130)
})

test('a data folder that is not there is an error', async () => {
  const shipper = shipperTo(new MemoryBucket(), { tsdbPath: path.join(tsdb, 'none') })
  await expect(shipper.sync(signal)).rejects.toMatchObject({ code: 'not_found' })
})
