// `mnemo tools bucket rewrite` as a real process: a rehearsal writes nothing; what is written tells what was done.
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { MetaFetcher } from '../../../lib/blocks/fetcher.ts'
import { listBlocks } from '../../../lib/blocks/listing.ts'
import { ignoreDeletionMarkFilter } from '../../../lib/blocks/mark-filters.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import { acquireLease, heldLeases, isHeld } from '../../../lib/objstore/lease.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { rewriteBlock } from '../../../services/tools/bucket-rewrite.ts'
import { parseDeletions } from '../../../services/tools/rewrite-config.ts'
import { RewrittenSources } from '../../../services/tools/rewritten-sources.ts'
import { bucketIsGone, Faults, faultModes, faultyBucket } from '../../support/faults.ts'
import { goldenPath } from '../../support/golden.ts'
import { putMadeBlock } from '../../support/made-blocks.ts'
import { compactorOver } from '../../support/test-compactor.ts'
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

test.each(faultModes)(
  'any call of the bucket failing (%s): the old block stays, marked before a new one counts',
  async (mode) => {
    const values = { tmpDir: path.join(root, 'faults'), addChangeLog: false, deleteBlocks: true, promBlocks: false }
    const rewriting = { deletions: parseDeletions(`[{matchers: '{job="a"}'}]`), relabels: [] }
    const ctx = { logger: createLogger({ level: 'silent' }), signal: new AbortController().signal }
    for (let n = 1, reached = true; reached; n++) {
      const memory = new MemoryBucket()
      const series = ['a', 'b'].map((job) => ({ labels: ['job', job], samples: [[1, 1] as const] }))
      const old = await putMadeBlock(memory, { minTime: 0, maxTime: 10, series })
      const faults = new Faults(n, mode, bucketIsGone)
      const work = rewriteBlock(faultyBucket(memory, faults), old, {
        rewrite: rewriting,
        values,
        sources: new RewrittenSources(),
        ctx,
      })
      await work.catch((error: unknown) => expect(error).toMatchObject({ code: 'unavailable' }))
      reached = faults.reached
      const { metas } = await new MetaFetcher({ bucket: memory }).fetch()
      expect(metas.has(old.ulid), `call ${n}`).toBe(true)
      const marks = (await listBlocks(memory)).get(old.ulid)!.marks
      if (metas.size > 1) expect(marks.has('no-compact'), `call ${n}`).toBe(true)
      if (marks.has('deletion')) expect(metas.size, `call ${n}`).toBe(2)
    }
  },
)

test('not beside a compactor: its lease is respected, and a rehearsal needs none', { timeout: 60_000 }, async () => {
  const held = path.join(root, 'held')
  await fs.cp(goldenPath('bucket', ulid), path.join(held, ulid), { recursive: true })
  const options = { name: 'compact', durationMs: 600_000, logger: createLogger({ level: 'silent' }) }
  const lease = await acquireLease({
    ...options,
    bucket: new FilesystemBucket(held),
    signal: new AbortController().signal,
  })
  const args = [configOf(held), `--id=${ulid}`, `--rewrite.to-delete-config=${deletions}`]
  const refused = await tools('bucket', 'rewrite', ...args, '--no-dry-run')
  expect(refused.lines).toEqual([expect.stringContaining('cannot change blocks beside a compactor: got a lease of ')])
  expect(refused.status).toBe(1)
  expect(await tools('bucket', 'rewrite', ...args)).toMatchObject({ status: 0 })
  if (isHeld(lease)) expect.fail(lease.holder)
  else await lease.release()
  expect(
    await heldLeases({ ...options, bucket: new FilesystemBucket(held), signal: new AbortController().signal }),
  ).toEqual([])
})

test('all resolutions in one run: they cover each other as before, and nothing is downsampled again', {
  timeout: 60_000,
}, async () => {
  const folder = path.join(root, 'resolutions')
  const bucket = new FilesystemBucket(folder)
  const signal = new AbortController().signal
  const series = ['a', 'b'].map((job) => ({ labels: ['job', job], samples: [[1, 1] as const] }))
  const maxTime = 14 * 86_400_000
  await putMadeBlock(bucket, { minTime: 0, maxTime, series, ulid: '01M81VCT3QZSCJJ0HE2NX140M7' })
  const compact = () => compactorOver(bucket, { workFolder: path.join(root, 'work') }).run(signal)
  await compact()
  const inView = async () =>
    [
      ...(
        await new MetaFetcher({ bucket, filters: [ignoreDeletionMarkFilter(-1, { bucket })] }).fetch()
      ).metas.values(),
    ].sort((a, b) => a.thanos.resolutionMs - b.thanos.resolutionMs)
  const old = await inView()
  expect(old.map(({ thanos }) => thanos.resolutionMs)).toEqual([0, 300_000, 3_600_000])

  const ids = old.map(({ ulid }) => `--id=${ulid}`)
  const deletion = `--rewrite.to-delete-config=[{matchers: '{job="a"}'}]`
  const args = [configOf(folder), ...ids, deletion, '--no-dry-run', '--delete-blocks']
  const { status, output } = await tools('bucket', 'rewrite', ...args, `--tmp.dir=${path.join(root, 'tmp-all')}`)
  expect(status, output).toBe(0)
  const rewritten = await inView()
  expect(rewritten.map(({ thanos }) => thanos.resolutionMs)).toEqual([0, 300_000, 3_600_000])
  expect((await compact()).error).toBeUndefined()
  expect(await inView()).toEqual(rewritten)
  for (const { compaction } of rewritten) expect(compaction.sources).toEqual([rewritten[0]!.ulid])
})

test('sources: new ones, one for each old one, the same in all blocks of a run', () => {
  const sources = new RewrittenSources()
  const merged = sources.of('R', ['A', 'B', 'C'])
  expect(merged).toHaveLength(3)
  expect(new Set([...merged, 'A', 'B', 'C']).size).toBe(6)
  expect(merged).toContain('R')
  expect(sources.of('S', ['C', 'B', 'A'])).toEqual(merged)
  const [part] = sources.of('T', ['B'])
  expect(merged).toContain(part)
  expect(sources.of('U', ['D'])).toEqual(['U'])
  expect(new RewrittenSources().of('V', ['A'])).toEqual(['V'])
})
