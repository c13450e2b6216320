// The tools over a real S3 server, as processes: blocks move there from a directory, are looked at, rewritten, damaged and
// repaired with a backup in another bucket, and their samples are what they were.
// Owns the server, ended in afterAll.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { createBucket } from '../../lib/objstore/config.ts'
import { type Ceph, startCeph, whyNoCeph } from '../support/ceph.ts'
import { goldenPath } from '../support/golden.ts'
import { configOf, tools } from '../support/tools.ts'

const reason = whyNoCeph()
if (reason !== undefined) console.log(reason)
const ulid = '01M81VCT3QZSCJJ0HE2NX140M7'

describe.skipIf(reason !== undefined)('tools on S3', { timeout: 60_000 }, () => {
  let folder: string
  let ceph: Ceph
  let bucket: Bucket

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tools-s3-'))
    ceph = await startCeph()
    for (const name of ['blocks', 'backup']) {
      await ceph.createBucket(name)
      await writeFile(path.join(folder, `${name}.yml`), ceph.config(name))
    }
    bucket = await createBucket(ceph.config('blocks'))
  }, 120_000)
  afterAll(async () => {
    await bucket?.close()
    await ceph?.stop()
    await rm(folder, { recursive: true })
  })

  const config = (name: string, prefix = 'objstore') => `--${prefix}.config-file=${path.join(folder, `${name}.yml`)}`
  const run = (command: string, ...args: string[]) => tools('bucket', command, config('blocks'), ...args)
  const dump = async (id: string) =>
    (await tools('tsdb', 'dump', config('blocks'), `--id=${id}`, '--format=seriesjson')).lines

  test('a block moves there, is listed and sound', async () => {
    const moved = await tools(
      ...['bucket', 'replicate', configOf(goldenPath('bucket')), config('blocks', 'objstore-to'), `--id=${ulid}`],
    )
    expect(moved.status, moved.output).toBe(0)
    expect((await run('ls')).lines).toEqual([ulid])
    expect(await run('verify', '--issues=objects', '--issues=index_known_issues', '--issues=chunks')).toMatchObject({
      status: 0,
    })
    expect(await dump(ulid)).toHaveLength(15)
    expect((await run('analyze', '--limit=1')).lines[1]).toMatch(/^Series: 15;/)
  })

  test('rewritten, then cleaned up', async () => {
    const deletions = `--rewrite.to-delete-config=[{matchers: '{__name__="g_counter_total"}'}]`
    const rewritten = await run('rewrite', `--id=${ulid}`, deletions, '--no-dry-run', `--tmp.dir=${folder}/tmp`)
    expect(rewritten.status, rewritten.output).toBe(0)
    const fresh = (await run('ls')).lines.find((id) => id !== ulid)!
    expect(await dump(fresh)).toHaveLength(13)
    const mark = ['--marker=deletion-mark.json', '--details=rewritten', `--id=${fresh}`]
    expect(await run('mark', ...mark)).toMatchObject({ status: 0 })
    const cleaned = await run('cleanup', '--delete-delay=0s', '--consistency-delay=0s')
    expect(cleaned.output).toContain('deleted=1')
    expect((await run('ls')).lines).toEqual([ulid])
  })

  test('damaged, found, repaired: the backup has it as it was', async () => {
    const name = `${ulid}/index`
    const damaged = Buffer.from(await bucket.getRange(name, 0, 1e7))
    // A series' entry, past the symbols.
    damaged[600]! ^= 0xff
    await bucket.upload(name, damaged)
    expect(await run('verify')).toMatchObject({ status: 1 })
    const repaired = await run('verify', '--repair', config('backup', 'objstore-backup'))
    expect(repaired.status, repaired.output).toBe(0)
    const [fresh] = (await run('ls')).lines
    expect(await dump(fresh!)).toHaveLength(14)
    const backup = await createBucket(ceph.config('backup'))
    try {
      expect(Buffer.from(await backup.getRange(name, 0, 1e7))).toEqual(damaged)
    } finally {
      await backup.close()
    }
  })
})
