// Copying a block between buckets: whole or not at all, whatever call fails, and never over another block.
import { expect, test } from 'vitest'
import { copyBlock, objectProblems } from '../../../lib/blocks/copy.ts'
import { putMark } from '../../../lib/blocks/markers.ts'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import type { Bucket } from '../../../lib/objstore/bucket.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { metaOf, putMeta, ulidOf } from '../../support/block-metas.ts'
import { bucketIsGone, Faults, faultModes, faultyBucket } from '../../support/faults.ts'

const ulid = ulidOf(1)

async function sourceBucket(): Promise<{ bucket: MemoryBucket; meta: BlockMeta }> {
  const bucket = new MemoryBucket()
  const files = [
    { relPath: 'chunks/000001', sizeBytes: 3 },
    { relPath: 'index', sizeBytes: 5 },
    { relPath: 'meta.json' },
  ]
  const meta = metaOf({ ulid, thanos: { files, segmentFiles: ['000001'] } })
  await bucket.upload(`${ulid}/chunks/000001`, Buffer.from('abc'))
  await bucket.upload(`${ulid}/index`, Buffer.from('index'))
  await putMeta(bucket, meta)
  await putMark(bucket, ulid, 'no-compact', { details: 'kept' })
  await putMark(bucket, ulid, 'deletion')
  return { bucket, meta }
}

async function contents(bucket: Bucket): Promise<Record<string, string>> {
  const out: Record<string, string> = {}
  for await (const { name } of bucket.list('', { recursive: true }))
    out[name] = Buffer.from(await bucket.getRange(name, 0, 1 << 20)).toString()
  return out
}

test('all but the deletion mark, once', async () => {
  const { bucket, meta } = await sourceBucket()
  const target = new MemoryBucket()
  const seen: string[] = []
  const onObject = (name: string) => seen.push(name)
  expect(await copyBlock(bucket, target, ulid, { whole: meta, onObject })).toMatchObject({ copied: true, objects: 4 })
  const { [`${ulid}/deletion-mark.json`]: _, ...wanted } = await contents(bucket)
  expect(await contents(target)).toEqual(wanted)
  expect(seen.sort()).toEqual(['chunks/000001', 'index', 'no-compact-mark.json'].map((name) => `${ulid}/${name}`))
  expect(await copyBlock(bucket, target, ulid, { whole: meta })).toEqual({ copied: false, objects: 0, bytes: 0 })
})

test('a block that is not whole is not copied', async () => {
  const { bucket, meta } = await sourceBucket()
  const target = new MemoryBucket()
  await bucket.upload(`${ulid}/index`, Buffer.from('ind'))
  await expect(copyBlock(bucket, target, ulid, { whole: meta })).rejects.toMatchObject({
    code: 'corrupt',
    message: `cannot copy block ${ulid}: index has 3 bytes, want 5`,
  })
  await bucket.delete(`${ulid}/index`)
  await expect(copyBlock(bucket, target, ulid, { whole: meta })).rejects.toThrow('index is missing')
  expect(await contents(target)).toEqual({})
  expect(await copyBlock(bucket, target, ulid)).toMatchObject({ copied: true, objects: 3 })
})

test('a block of that name with another meta.json stays as it is', async () => {
  const { bucket, meta } = await sourceBucket()
  const target = new MemoryBucket()
  await putMeta(target, metaOf({ ulid, minTime: 1 }))
  const before = await contents(target)
  await expect(copyBlock(bucket, target, ulid, { whole: meta })).rejects.toMatchObject({ code: 'already_exists' })
  expect(await contents(target)).toEqual(before)
})

test('read back: an object of the right size with other bytes is found and replaced', async () => {
  const { bucket, meta } = await sourceBucket()
  const target = new MemoryBucket()
  await target.upload(`${ulid}/index`, Buffer.from('xndex'))
  await copyBlock(bucket, target, ulid, { whole: meta, readBack: true })
  expect((await contents(target))[`${ulid}/index`]).toBe('index')
})

test.each(['source', 'target'] as const)(
  'the %s failing in any call: no meta.json before all is there, and a rerun ends it',
  async (which) => {
    for (const mode of faultModes) {
      for (let n = 1, reached = true; reached; n++) {
        const { bucket, meta } = await sourceBucket()
        const target = new MemoryBucket()
        const faults = new Faults(n, mode, bucketIsGone)
        const faulty = (one: Bucket, name: string) => (which === name ? faultyBucket(one, faults) : one)
        const copying = copyBlock(faulty(bucket, 'source'), faulty(target, 'target'), ulid, {
          whole: meta,
          readBack: true,
        })
        await copying.catch((error: unknown) => expect(error).toMatchObject({ code: 'unavailable' }))
        const there = await contents(target)
        if (there[`${ulid}/meta.json`]) expect(Object.keys(there)).toHaveLength(4)
        reached = faults.reached
        await copyBlock(bucket, target, ulid, { whole: meta, readBack: true })
        const { [`${ulid}/deletion-mark.json`]: _, ...wanted } = await contents(bucket)
        expect(await contents(target), `${mode} at call ${n}`).toEqual(wanted)
      }
    }
  },
)

test('what is wrong with a block’s objects', () => {
  const meta = metaOf({ thanos: { segmentFiles: ['000001', '000002'], files: [{ relPath: 'index', sizeBytes: 4 }] } })
  expect(
    objectProblems(
      meta,
      new Map([
        ['index', { sizeBytes: 5 }],
        ['chunks/000001', { sizeBytes: 1 }],
      ]),
    ),
  ).toEqual(['index has 5 bytes, want 4', 'chunks/000002 is missing'])
  expect(objectProblems(metaOf({}), new Map([['index', { sizeBytes: 5 }]]))).toEqual(['it has no chunks'])
  expect(
    objectProblems(
      metaOf({}),
      new Map([
        ['index', { sizeBytes: 5 }],
        ['chunks/000001', {}],
      ]),
    ),
  ).toEqual([])
})
