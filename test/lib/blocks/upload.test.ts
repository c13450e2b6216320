// A block into a bucket and out of it again: what is there at each moment, after failures and when it was there before.
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { openBucketBlock } from '../../../lib/blocks/bucket-block.ts'
import { readBucketTombstones } from '../../../lib/blocks/bucket-tombstones.ts'
import { deleteBlock } from '../../../lib/blocks/delete.ts'
import { putMark } from '../../../lib/blocks/markers.ts'
import { type BlockMeta, withExternalLabels } from '../../../lib/blocks/meta.ts'
import { formatMeta } from '../../../lib/blocks/meta-format.ts'
import { parseMeta } from '../../../lib/blocks/meta-parse.ts'
import { uploadBlock } from '../../../lib/blocks/upload.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { encodeTombstones } from '../../../lib/tsdb/tombstones.ts'
import { metaOf, ulidOf } from '../../support/block-metas.ts'

const root = await fs.mkdtemp(path.join(tmpdir(), 'mnemo-upload-'))
afterAll(() => fs.rm(root, { recursive: true }))
const ulid = ulidOf(1)
const folder = path.join(root, ulid)
await fs.mkdir(path.join(folder, 'chunks'), { recursive: true })
await fs.writeFile(path.join(folder, 'chunks/000001'), 'first segment')
await fs.writeFile(path.join(folder, 'chunks/000002'), 'second')
await fs.writeFile(path.join(folder, 'index'), 'the index')
const tombstones = path.join(folder, 'tombstones')
await fs.writeFile(tombstones, encodeTombstones(new Map()))
await fs.writeFile(path.join(folder, 'meta.json'), '{}')

/** Keeps the order of what is done; fails or hangs at an upload. */
class WatchedBucket extends MemoryBucket {
  done: string[] = []
  failAt: string | undefined
  abortAt: { name: string; controller: AbortController } | undefined

  override async upload(name: string, body: Readable | Uint8Array, signal?: AbortSignal): Promise<void> {
    if (name === this.abortAt?.name) this.abortAt.controller.abort()
    await super.upload(name, body, signal)
    if (name === this.failAt) throw new MnemoError('unavailable', `cannot upload ${name}: the answer was lost`)
    this.done.push(name)
  }

  override async delete(name: string, signal?: AbortSignal): Promise<void> {
    await super.delete(name, signal)
    this.done.push(`-${name}`)
  }

  async names(): Promise<string[]> {
    const names: string[] = []
    for await (const object of this.list('', { recursive: true })) names.push(object.name)
    return names
  }
}

let bucket: WatchedBucket
beforeEach(() => {
  bucket = new WatchedBucket()
})
const meta = withExternalLabels(metaOf({ ulid }), ['cluster', 'x'], 'sidecar')
const files = ['chunks/000001', 'chunks/000002', 'index', 'meta.json'].map((name) => `${ulid}/${name}`)
const stored = async (): Promise<BlockMeta> => parseMeta(await bucket.getRange(`${ulid}/meta.json`, 0, 100_000), 'meta')

test('chunks, index, and meta.json last, which tells of all files', async () => {
  const nowMs = Date.UTC(2026, 1, 2, 3, 4, 5, 678)
  const result = await uploadBlock(bucket, folder, meta, { now: () => nowMs })
  expect(bucket.done).toEqual(files)
  expect(result).toMatchObject({ uploaded: true })
  expect((await stored()).thanos).toEqual({
    ...meta.thanos,
    segmentFiles: ['000001', '000002'],
    files: [
      { relPath: 'chunks/000001', sizeBytes: 13 },
      { relPath: 'chunks/000002', sizeBytes: 6 },
      { relPath: 'index', sizeBytes: 9 },
      { relPath: 'meta.json' },
    ],
    uploadTimeMs: nowMs,
    uploadTimeText: '2026-02-02T03:04:05.678Z',
  })
  const { index, segments } = await openBucketBlock(bucket, result.meta)
  expect(Buffer.from(await index.read(4, 5)).toString()).toBe('index')
  expect(segments.map(({ sizeBytes }) => sizeBytes)).toEqual([13, 6])
})

test('tombstones are uploaded where there are any, and read back where meta.json lists them', async () => {
  const deleted = new Map([[8, [{ minTime: 1, maxTime: 5 }]]])
  await fs.writeFile(tombstones, encodeTombstones(deleted))
  const { meta: uploaded } = await uploadBlock(bucket, folder, meta)
  await fs.writeFile(tombstones, encodeTombstones(new Map()))
  expect(bucket.done).toEqual([...files.slice(0, 3), `${ulid}/tombstones`, files[3]])
  expect(await readBucketTombstones(bucket, uploaded)).toEqual(deleted)
  expect(await readBucketTombstones(bucket, meta)).toEqual(deleted)
  await bucket.delete(`${ulid}/tombstones`)
  expect(await readBucketTombstones(bucket, meta)).toEqual(new Map())
  await expect(readBucketTombstones(bucket, uploaded)).rejects.toMatchObject({ code: 'not_found' })
})

test('a block that is whole in the bucket is not written again', async () => {
  await uploadBlock(bucket, folder, meta, { now: () => 1_000_000 })
  const lines: string[] = []
  const logger = createLogger({ sink: { write: (line) => lines.push(line) } })
  bucket.done = []
  expect(await uploadBlock(bucket, folder, meta, { logger })).toMatchObject({ uploaded: false })
  expect(lines).toEqual([])
  const other = withExternalLabels(meta, ['cluster', 'y'], 'sidecar')
  const again = await uploadBlock(bucket, folder, other, { logger })
  expect(again.uploaded).toBe(false)
  expect(again.meta.thanos.labels).toEqual(['cluster', 'x'])
  expect(lines).toHaveLength(1)
  expect(bucket.done).toEqual([])
})

test('a torn meta.json is no block: it is written over', async () => {
  await bucket.upload(`${ulid}/meta.json`, Buffer.from('{"ulid'))
  expect(await uploadBlock(bucket, folder, meta)).toMatchObject({ uploaded: true })
  expect((await stored()).ulid).toBe(ulid)
})

test('after a failure what was uploaded is taken back', async () => {
  bucket.failAt = `${ulid}/index`
  await expect(uploadBlock(bucket, folder, meta)).rejects.toMatchObject({ code: 'unavailable' })
  expect(await bucket.names()).toEqual([])
})

test('nothing is taken back once the block is whole', async () => {
  bucket.failAt = `${ulid}/meta.json`
  await expect(uploadBlock(bucket, folder, meta)).rejects.toMatchObject({ code: 'unavailable' })
  expect(await bucket.names()).toEqual(files)
  bucket.failAt = undefined
  expect(await uploadBlock(bucket, folder, meta)).toMatchObject({ uploaded: false })
})

test('after an abort what was uploaded stays, without a meta.json, and the next upload makes it whole', async () => {
  const controller = new AbortController()
  bucket.abortAt = { name: `${ulid}/index`, controller }
  await expect(uploadBlock(bucket, folder, meta, { signal: controller.signal })).rejects.toMatchObject({
    code: 'canceled',
  })
  expect(await bucket.names()).toEqual(files.slice(0, 2))
  bucket.abortAt = undefined
  expect(await uploadBlock(bucket, folder, meta)).toMatchObject({ uploaded: true })
  expect(await bucket.names()).toEqual(files)
})

test('a block without external labels, or without files, is refused', async () => {
  await expect(uploadBlock(bucket, folder, withExternalLabels(meta, [], 'sidecar'))).rejects.toMatchObject({
    code: 'bad_data',
  })
  await expect(uploadBlock(bucket, path.join(root, 'missing'), meta)).rejects.toMatchObject({ code: 'not_found' })
  expect(await bucket.names()).toEqual([])
})

test('a deletion begins with meta.json and ends with the mark', async () => {
  await uploadBlock(bucket, folder, meta)
  await putMark(bucket, ulid, 'deletion')
  await putMark(bucket, ulid, 'no-compact')
  await bucket.upload(`${ulidOf(2)}/meta.json`, Buffer.from(formatMeta(metaOf({ ulid: ulidOf(2) }))))
  bucket.done = []
  await deleteBlock(bucket, ulid)
  const order = bucket.done.filter((name) => !name.endsWith('/'))
  expect(order[0]).toBe(`-${ulid}/meta.json`)
  expect(order.at(-1)).toBe(`-${ulid}/deletion-mark.json`)
  expect(order).toHaveLength(6)
  expect(await bucket.names()).toEqual([`${ulidOf(2)}/meta.json`])
  await deleteBlock(bucket, ulid)
  await expect(deleteBlock(bucket, '')).rejects.toMatchObject({ code: 'bad_data' })
})
