// `mnemo tools bucket mark`, `retention` and `cleanup` as real processes over a bucket in a directory.
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { listBlocks } from '../../../lib/blocks/listing.ts'
import { putMark, readMark } from '../../../lib/blocks/markers.ts'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import { metaOf, putMeta, ulidOf } from '../../support/block-metas.ts'
import { configOf, tools } from '../../support/tools.ts'

const root = await fs.mkdtemp(path.join(tmpdir(), 'mnemo-tools-marks-'))
afterAll(() => fs.rm(root, { recursive: true }))
const hourMs = 3_600_000

async function marksOf(bucket: FilesystemBucket): Promise<Record<string, string[]>> {
  return Object.fromEntries([...(await listBlocks(bucket))].map(([ulid, { marks }]) => [ulid, [...marks].sort()]))
}

test('mark: each kind put and removed; one that exists stays; a block that is not there is an error', {
  timeout: 60_000,
}, async () => {
  const directory = path.join(root, 'mark')
  const bucket = new FilesystemBucket(directory)
  for (const number of [1, 2]) await putMeta(bucket, metaOf({ ulid: ulidOf(number) }))
  const mark = (...args: string[]) => tools('bucket', 'mark', configOf(directory), ...args)
  for (const kind of ['deletion', 'no-compact', 'no-downsample'])
    expect(await mark(`--marker=${kind}-mark.json`, `--id=${ulidOf(1)}`, '--details=why')).toMatchObject({ status: 0 })
  expect(await marksOf(bucket)).toEqual({ [ulidOf(1)]: ['deletion', 'no-compact', 'no-downsample'], [ulidOf(2)]: [] })
  expect(await readMark(bucket, ulidOf(1), 'no-compact')).toMatchObject({ reason: 'manual', details: 'why' })

  const again = await mark('--marker=deletion-mark.json', `--id=${ulidOf(1)}`, `--id=${ulidOf(2)}`, '--details=other')
  expect(again.output).toMatch(new RegExp(`already.*block=${ulidOf(1)}`))
  expect(again.output).toMatch(new RegExp(`marked block".*block=${ulidOf(2)}`))
  expect(await readMark(bucket, ulidOf(1), 'deletion')).toMatchObject({ details: 'why' })

  const removed = await mark('--marker=deletion-mark.json', '--remove', `--id=${ulidOf(1)}`, `--id=${ulidOf(2)}`)
  expect(removed.status).toBe(0)
  expect(await marksOf(bucket)).toEqual({ [ulidOf(1)]: ['no-compact', 'no-downsample'], [ulidOf(2)]: [] })

  const missing = await mark('--marker=deletion-mark.json', `--id=${ulidOf(3)}`, `--id=${ulidOf(2)}`, '--details=x')
  expect(missing.status).toBe(1)
  expect(missing.lines).toEqual([`mnemo tools bucket mark: cannot mark ${ulidOf(3)}: no such block`])
  expect(await marksOf(bucket)).toMatchObject({ [ulidOf(2)]: ['deletion'] })
  expect(await bucket.exists(`${ulidOf(3)}/deletion-mark.json`)).toBe(false)
})

test('retention marks what has expired, by resolution; cleanup deletes what has been marked long enough', async () => {
  const directory = path.join(root, 'retention')
  const bucket = new FilesystemBucket(directory)
  const nowMs = Date.now()
  const put = (number: number, resolutionMs: number, ageMs: number) => {
    const times = { minTime: nowMs - ageMs - hourMs, maxTime: nowMs - ageMs }
    const thanos = { resolutionMs, uploadTimeMs: nowMs - ageMs }
    return putMeta(bucket, metaOf({ ulid: ulidOf(number), ...times, thanos }))
  }
  await put(1, 0, 5 * hourMs)
  await put(2, 0, 2 * hourMs)
  await put(3, 300_000, 5 * hourMs)
  await put(4, 3_600_000, 50 * hourMs)
  await bucket.upload(`${ulidOf(5)}/index`, Buffer.from('half an upload'))
  const retention = await tools(
    ...['bucket', 'retention', configOf(directory), '--retention.resolution-raw=4h', '--retention.resolution-1h=40h'],
  )
  expect(retention.status).toBe(0)
  expect(retention.output).toMatch(new RegExp(`marked block for deletion" block=${ulidOf(1)} age=5h`))
  expect(retention.output).toContain('marked=2')
  const wanted = { [ulidOf(1)]: ['deletion'], [ulidOf(2)]: [], [ulidOf(3)]: [], [ulidOf(4)]: ['deletion'] }
  expect(await marksOf(bucket)).toMatchObject(wanted)

  const early = await tools('bucket', 'cleanup', configOf(directory))
  expect(early.output).toContain('deleted=0')
  await bucket.delete(`${ulidOf(1)}/deletion-mark.json`)
  await putMark(bucket, ulidOf(1), 'deletion', { nowMs: nowMs - 49 * hourMs })
  const old = new Date(nowMs - 49 * hourMs)
  await fs.utimes(path.join(directory, ulidOf(5), 'index'), old, old)
  const cleanup = await tools('bucket', 'cleanup', configOf(directory))
  expect(cleanup.status).toBe(0)
  expect(cleanup.output).toContain('deleted=2')
  expect(Object.keys(await marksOf(bucket))).toEqual([2, 3, 4].map(ulidOf))
})
