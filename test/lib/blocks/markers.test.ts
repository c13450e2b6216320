// Marks: their bytes, that the first one stays, and what an unreadable one means.
import { beforeEach, expect, test } from 'vitest'
import { markFileNames, putMark, readMark, removeMark } from '../../../lib/blocks/markers.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'

const ulid = '01M81VCRDH86F0WF0CFPEZ0BKC'
let bucket: MemoryBucket
beforeEach(() => {
  bucket = new MemoryBucket()
})
const text = async (name: string) => Buffer.from(await bucket.getRange(`${ulid}/${name}`, 0, 1000)).toString()

test('marks are written as Thanos writes them', async () => {
  const nowMs = 1_700_000_000_999
  await putMark(bucket, ulid, 'deletion', { nowMs, details: 'source of <compacted> block' })
  await putMark(bucket, ulid, 'no-compact', { nowMs, reason: 'index-size-exceeding', details: 'large' })
  await putMark(bucket, ulid, 'no-downsample', { nowMs })
  expect(await text('deletion-mark.json')).toBe(
    `{"id":"${ulid}","version":1,"details":"source of \\u003ccompacted\\u003e block","deletion_time":1700000000}`,
  )
  expect(await text('no-compact-mark.json')).toBe(
    `{"id":"${ulid}","version":1,"details":"large","no_compact_time":1700000000,"reason":"index-size-exceeding"}`,
  )
  expect(await text('no-downsample-mark.json')).toBe(
    `{"id":"${ulid}","version":1,"no_downsample_time":1700000000,"reason":"manual"}`,
  )
  expect(await readMark(bucket, ulid, 'no-compact')).toEqual({
    kind: 'no-compact',
    ulid,
    timeMs: 1_700_000_000_000,
    reason: 'index-size-exceeding',
    details: 'large',
  })
})

test('a mark that exists is never overwritten', async () => {
  expect(await putMark(bucket, ulid, 'deletion', { details: 'first', nowMs: 1000 })).toBe(true)
  expect(await putMark(bucket, ulid, 'deletion', { details: 'second', nowMs: 2000 })).toBe(false)
  expect(await readMark(bucket, ulid, 'deletion')).toMatchObject({ details: 'first', timeMs: 1000 })
  await removeMark(bucket, ulid, 'deletion')
  await removeMark(bucket, ulid, 'deletion')
  expect(await readMark(bucket, ulid, 'deletion')).toBeUndefined()
})

test.each([
  '',
  '{"id":',
  'null',
  '[]',
  `{"id":"${ulid}","version":2,"deletion_time":1,"no_compact_time":1}`,
  `{"id":"${ulid}","version":1,"deletion_time":"1","no_compact_time":null}`,
  ' '.repeat(70_000),
])('an unreadable mark is logged; a deletion is not believed, a veto is (%#)', async (content) => {
  const lines: string[] = []
  const logger = createLogger({ sink: { write: (line) => lines.push(line) } })
  for (const name of Object.values(markFileNames)) await bucket.upload(`${ulid}/${name}`, Buffer.from(content))
  expect(await readMark(bucket, ulid, 'deletion', { logger })).toBeUndefined()
  expect(await readMark(bucket, ulid, 'no-compact', { logger })).toMatchObject({ kind: 'no-compact', ulid })
  expect(lines).toHaveLength(2)
  expect(lines[0]).toContain(`${ulid}/deletion-mark.json`)
})

test('a bucket that fails is no missing mark', async () => {
  const failing = Object.assign(new MemoryBucket(), {
    getRange: async () => {
      throw new MnemoError('unavailable', 'cannot read: the bucket is away')
    },
  })
  await expect(readMark(failing, ulid, 'deletion')).rejects.toThrow('the bucket is away')
})
