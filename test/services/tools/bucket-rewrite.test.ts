// `mnemo tools bucket rewrite` as a real process: a rehearsal writes nothing; what is written tells what was done.
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { MetaFetcher } from '../../../lib/blocks/fetcher.ts'
import { listBlocks } from '../../../lib/blocks/listing.ts'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import { goldenPath } from '../../support/golden.ts'
import { configOf, tools } from '../../support/tools.ts'

const root = await fs.mkdtemp(path.join(tmpdir(), 'mnemo-tools-rewrite-'))
afterAll(() => fs.rm(root, { recursive: true }))
const ulid = '01M81VCRDH86F0WF0CFPEZ0BKC'
const directory = path.join(root, 'bucket')
await fs.cp(goldenPath('bucket', ulid), path.join(directory, ulid), { recursive: true })
const deletions = `[{matchers: '{__name__="g_walk"}', request_id: r}, {matchers: '{job="gold"}', intervals: [{mint: 1700007000000, maxt: 1700009000000}]}]`
const rewrite = (...args: string[]) =>
  tools('bucket', 'rewrite', configOf(directory), `--tmp.dir=${path.join(root, 'tmp')}`, ...args)

test('dry, then done: the change log, the mark on the original, and what meta.json tells', async () => {
  const args = [`--id=${ulid}`, `--rewrite.to-delete-config=${deletions}`]
  const dry = await rewrite(...args)
  expect(dry.status).toBe(0)
  expect(dry.lines).toEqual([
    'Deleted {__name__="g_counter_total", instance="a:1", job="gold"} [{1700007000000 1700009000000}]',
    'Deleted {__name__="g_counter_total", instance="b:1", job="gold"} [{1700007000000 1700009000000}]',
    'Deleted {__name__="g_walk"} [{1700006400002 1700013585001}]',
  ])
  expect(await fs.readdir(directory)).toEqual([ulid])

  const done = await rewrite(...args, '--no-dry-run', '--delete-blocks')
  expect(done.status, done.output).toBe(0)
  const bucket = new FilesystemBucket(directory)
  const { metas } = await new MetaFetcher({ bucket }).fetch()
  const [before, after] = [metas.get(ulid)!, [...metas.values()].find((meta) => meta.ulid !== ulid)!]
  expect(after).toMatchObject({
    minTime: before.minTime,
    maxTime: before.maxTime,
    stats: { numSeries: before.stats.numSeries - 1 },
    compaction: { sources: [after.ulid] },
    thanos: { labels: before.thanos.labels, source: 'bucket.rewrite' },
  })
  const text = await fs.readFile(path.join(directory, after.ulid, 'meta.json'), 'utf8')
  expect((JSON.parse(text) as { thanos: { rewrites: unknown } }).thanos.rewrites).toEqual([
    {
      sources: [ulid],
      deletions_applied: [
        { matchers: [{ Type: 0, Name: '__name__', Value: 'g_walk' }], request_id: 'r' },
        {
          matchers: [{ Type: 0, Name: 'job', Value: 'gold' }],
          intervals: [{ Mint: 1700007000000, Maxt: 1700009000000 }],
        },
      ],
    },
  ])
  expect([...(await listBlocks(bucket)).get(ulid)!.marks].sort()).toEqual(['deletion', 'no-compact'])
  const log = await fs.readFile(path.join(root, 'tmp', after.ulid, 'change.log'), 'utf8')
  expect(log.trimEnd().split('\n')).toEqual(dry.lines)
  expect(await fs.readdir(path.join(root, 'tmp', after.ulid))).toEqual(['change.log'])
})

test.each([
  [[`--id=${ulid}`], 'want --rewrite.to-delete-config'],
  [[`--rewrite.to-delete-config=${deletions}`], '--id is missing'],
  [[`--id=${ulid}`, '--rewrite.to-delete-config=[{a: b}]'], 'unknown key a'],
  [[`--id=${ulid}`, '--rewrite.to-relabel-config=[{action: x}]'], 'cannot use the relabel configuration: rule 1'],
  [[`--id=${ulid}`, `--rewrite.to-delete-config=${deletions}`, '--delete-blocks'], 'cannot delete blocks in a dry run'],
] as const)('%j: one line, status 2', async (args, want) => {
  const { status, lines } = await rewrite(...args)
  expect(lines).toEqual([expect.stringContaining(want)])
  expect(status).toBe(2)
})
