// `mnemo compact` as its operators meet it: exit statuses, --dry-run, the lease, a folder that cannot be used, and over HTTP
// the blocks, the marks and the metrics. Real processes over a bucket in a directory.
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { readMark } from '../../../lib/blocks/markers.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import { acquireLease, isHeld, type Lease } from '../../../lib/objstore/lease.ts'
import { bucketFlag, startMnemo } from '../../support/cluster.ts'
import { hourMs, twoHours } from '../../support/crash-scenarios.ts'
import { freePort } from '../../support/free-port.ts'
import { putMadeBlock } from '../../support/made-blocks.ts'
import { startMuteServer } from '../../support/mute-server.ts'
import type { TestProcess } from '../../support/process.ts'

let folder: string
let bucket: FilesystemBucket
const running: TestProcess[] = []

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'compact-'))
  bucket = new FilesystemBucket(path.join(folder, 'bucket'))
})
afterEach(async () => {
  for (const process of running.splice(0)) await process.stop()
  await rm(folder, { recursive: true })
})

async function start(...args: string[]): Promise<TestProcess> {
  const process = await startMnemo([
    'compact',
    bucketFlag(path.join(folder, 'bucket')),
    `--data-dir=${path.join(folder, 'data')}`,
    '--consistency-delay=0s',
    ...(args.some((arg) => arg.startsWith('--http-address')) ? [] : ['--http-address=127.0.0.1:0']),
    ...args,
  ])
  running.push(process)
  return process
}

/** Runs to the end; status and what it said. */
async function compact(...args: string[]): Promise<{ status: unknown; output: string }> {
  const process = await start(...args)
  const status = await process.waitForExit()
  return { status, output: process.output }
}

async function fill(hours: readonly number[]) {
  return Promise.all(hours.map((hour) => putMadeBlock(bucket, twoHours(hour))))
}

async function filesOf(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).sort()
}

test('a run ends with 0 when all is done, with 1 where a block was newly set aside, and with 0 the next time', async () => {
  const blocks = await fill([0, 2, 4, 6, 8])
  const chunks = path.join(folder, 'bucket', blocks[1]!.ulid, 'chunks/000001')
  const bytes = await readFile(chunks)
  bytes[40]! ^= 0xff
  await writeFile(chunks, bytes)
  const first = await compact()
  expect(first).toMatchObject({ status: 1, output: expect.stringContaining(`newly set aside: ${blocks[1]!.ulid}`) })
  expect((await readMark(bucket, blocks[1]!.ulid, 'no-compact'))?.details).toContain('000001')
  expect(await compact()).toMatchObject({ status: 0, output: expect.stringContaining('all done') })
}, 60_000)

test('--dry-run prints the plan and writes nothing', async () => {
  const blocks = await fill([0, 2, 4, 6, 8])
  await fill([400])
  await putMadeBlock(bucket, twoHours(0, { maxTime: 48 * hourMs, externalLabels: ['replica', 'b'] }))
  const before = await filesOf(folder)
  const { status, output } = await compact('--dry-run', '--retention.resolution-raw=400w')
  expect(status, output).toBe(0)
  expect(await filesOf(folder)).toEqual(before)
  expect(output).toMatch(/compact, 1 times, about [\d.]+ KiB/)
  for (const { ulid } of blocks.slice(0, 4)) expect(output).toContain(`    ${ulid} 1970-01-01T0`)
  expect(output).toContain('they fill a range')
  expect(output).toMatch(/downsample 7 blocks, about/)
  expect(output).toContain('mark 0 blocks for deletion')
})

test('where another compactor holds the lease nothing is done, said in a line, with status 0', async () => {
  await fill([0, 2, 4, 6, 8])
  const logger = createLogger({ level: 'silent' })
  const signal = new AbortController().signal
  const lease = (await acquireLease({ bucket, name: 'compact', durationMs: 60_000, logger, signal })) as Lease
  expect(isHeld(lease)).toBe(false)
  const stopped = await compact()
  expect(stopped).toMatchObject({ status: 0, output: expect.stringContaining('another compactor is at work') })
  expect(await filesOf(path.join(folder, 'bucket'))).not.toContain('deletion-mark.json')
  // Of another share of the bucket it is another lease.
  expect((await compact('--min-time=2020-01-01T00:00:00Z')).output).toContain('all done')
  await lease.release()
  expect((await compact()).output).toContain('compacted')
}, 60_000)

test('the lease of a compactor that was killed passes on', async () => {
  await fill([0, 2, 4, 6, 8])
  const killed = await start('--wait', '--compact.lease=1s')
  await killed.waitForOutput(/msg=compacted/)
  await killed.kill()
  const next = await start('--wait', '--compact.lease=1s')
  const held = () => readdir(path.join(folder, 'bucket/mnemo/leases/compact'))
  const [left] = await held()
  await vi.waitUntil(async () => !(await held()).includes(left!), { timeout: 20_000 })
  expect(await next.stop()).toBe(0)
  expect((await compact()).output).toContain('all done')
}, 60_000)

test('a run that is stopped before its end does not end with 0', async () => {
  const lease = 'mnemo/leases/compact/000000000001'
  const content = { version: 1, holder: 'another', durationMs: 60_000, released: false }
  await bucket.upload(lease, Buffer.from(JSON.stringify(content)))
  await utimes(path.join(folder, 'bucket', lease), 1, 1)
  const process = await start()
  await process.waitForOutput(/seems to have expired/)
  expect(await process.stop()).toBe(1)
  expect(process.output).toContain('stopped before all was done')
})

test.each([
  [['--deduplication.func=penalty'], 'want --deduplication.replica-label'],
  [['--compact.concurrency=0'], '--compact.concurrency'],
  [['--min-time=-1d', '--max-time=-2d'], 'want min before max'],
  [['--compact.no-such-flag'], '--compact.no-such-flag'],
  [['--selector.relabel-config=[{action: replace}]'], 'relabel'],
])('%j is a wrong usage: a line, and status 2', async (args, line) => {
  expect(await compact(...args)).toMatchObject({ status: 2, output: expect.stringContaining(line) })
})

test('a folder that cannot be used: a line, and status 2', async () => {
  await mkdir(path.join(folder, 'bucket'))
  await writeFile(path.join(folder, 'data'), '')
  const { status, output } = await compact()
  expect(status).toBe(2)
  expect(output.trim().split('\n').at(-1)).toContain(`--data-dir=${path.join(folder, 'data')}`)
})

test('while another process works in the data folder a run ends with 0, for that one has the lease', async () => {
  await fill([0, 2, 4, 6, 8])
  const service = await start('--wait')
  await service.waitForOutput(/msg=compacted/)
  expect(await compact()).toMatchObject({ status: 0, output: expect.stringContaining('another compactor is at work') })
}, 60_000)

test('a selector keeps to its share of the bucket', async () => {
  await fill([0, 2, 4, 6, 8])
  const config = '--selector.relabel-config=[{action: drop, source_labels: [replica], regex: a}]'
  expect((await compact(config)).output).not.toContain('compacting')
  expect((await compact()).output).toContain('compacting')
}, 60_000)

/** What Thanos's mixin (alerts and dashboards of the compactor) asks for. */
const mixinMetrics = [
  'thanos_compact_halted',
  'thanos_compact_group_compactions_total',
  'thanos_compact_group_compactions_failures_total',
  'thanos_compact_downsample_total',
  'thanos_compact_downsample_failed_total',
  'thanos_compact_garbage_collection_total',
  'thanos_compact_garbage_collection_failures_total',
  'thanos_compact_garbage_collection_duration_seconds_bucket',
  'thanos_compact_blocks_cleaned_total',
  'thanos_compact_block_cleanup_failures_total',
  'thanos_compact_blocks_marked_for_deletion_total',
  'thanos_blocks_meta_syncs_total',
  'thanos_blocks_meta_sync_failures_total',
  'thanos_blocks_meta_sync_duration_seconds_bucket',
  'thanos_objstore_bucket_operations_total',
  'thanos_objstore_bucket_operation_failures_total',
  'thanos_objstore_bucket_operation_duration_seconds_bucket',
  'thanos_objstore_bucket_last_successful_upload_time',
]

interface BlocksInfo {
  readonly status: string
  readonly data: {
    readonly label: string
    readonly blocks: readonly { ulid: string; thanos: { labels: Record<string, string> } }[]
    readonly refreshedAt: string
    readonly err: string | null
    readonly setAside: readonly { id: string; mark: string; reason: string; details: string }[]
    readonly deletionMarks: readonly { id: string }[]
    readonly unsupported: readonly { id: string; reason: string }[]
  }
}

test('over HTTP: blocks in two views, marks, the page, and the metrics that dashboards ask for', async () => {
  await putMadeBlock(bucket, twoHours(0, { maxTime: 48 * hourMs }))
  const blocks = await fill([100, 102, 104, 106, 108])
  const newer = '01M81VCRDH86F0WF0CFPEZ0BKD'
  await bucket.upload(`${newer}/meta.json`, Buffer.from('{"version": 2}'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const service = await start(
    '--wait',
    `--http-address=127.0.0.1:${port}`,
    '--block-viewer.global.sync-block-interval=1s',
  )
  await service.waitForOutput(/msg=downsampled/)
  const view = async (name: string) => (await (await fetch(`${url}/api/v1/blocks?view=${name}`)).json()) as BlocksInfo
  await vi.waitUntil(async () => (await view('global')).data.blocks.length >= 7, { timeout: 20_000, interval: 200 })

  const loaded = await view('loaded')
  expect(loaded).toMatchObject({ status: 'success', data: { label: '', err: null, setAside: [] } })
  expect(loaded.data.blocks[0]!.thanos.labels).toEqual({ replica: 'a' })
  expect(loaded.data.unsupported).toEqual([{ id: newer, reason: expect.stringContaining('got version 2, want 1') }])
  expect(Date.now() - Date.parse(loaded.data.refreshedAt)).toBeLessThan(60_000)

  const mark = async (body: Record<string, string>) => {
    const answer = await fetch(`${url}/api/v1/blocks/mark`, { method: 'POST', body: new URLSearchParams(body) })
    return { status: answer.status, ...((await answer.json()) as object) }
  }
  const last = blocks.at(-1)!.ulid
  expect(await mark({ id: last, action: 'NO_COMPACTION', detail: 'a <test>' })).toEqual({ status: 'success' })
  expect(await readMark(bucket, last, 'no-compact')).toMatchObject({ reason: 'manual', details: 'a <test>' })
  expect(await mark({ id: last, action: 'BURN' })).toMatchObject({ status: 'error', errorType: 'bad_data' })
  expect(await mark({ id: '01M81VCRDH86F0WF0CFPEZ0BKC', action: 'DELETION' })).toMatchObject({ errorType: 'bad_data' })
  await vi.waitUntil(async () => (await view('global')).data.setAside.length > 0, { timeout: 20_000, interval: 200 })
  expect((await view('global')).data.setAside).toMatchObject([{ id: last, mark: 'no-compact', details: 'a <test>' }])
  const page = await (await fetch(url)).text()
  expect(page).toContain(last)
  expect(page).toMatch(/Blocks of another version.*\n?.*01M81VCRDH86F0WF0CFPEZ0BKD/)
  expect(await (await fetch(`${url}/global`)).text()).toContain('a &lt;test&gt;')

  const metrics = await (await fetch(`${url}/metrics`)).text()
  for (const name of mixinMetrics) expect(metrics).toMatch(new RegExp(`^${name}[{ ]`, 'm'))
  expect(metrics).toMatch(/^thanos_compact_group_compactions_total\{resolution="0"\} [1-9]/m)
  expect(metrics).toMatch(/^thanos_compact_downsample_total\{resolution="0"\} [1-9]/m)
  // What the worker threads read counts.
  expect(metrics).toMatch(/^thanos_objstore_bucket_operations_total\{bucket="[^"]+",operation="get_range"\} \d\d/m)
  expect(metrics).toMatch(/^thanos_compact_todo_compactions \d/m)
}, 90_000)

test('a bucket that cannot be read: not ready, and tried again long before the next round is due', async () => {
  await writeFile(path.join(folder, 'bucket'), '')
  const port = await freePort()
  const service = await start('--wait', `--http-address=127.0.0.1:${port}`)
  await service.waitForOutput(/round failed/)
  const ready = await fetch(`http://127.0.0.1:${port}/-/ready`)
  expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('NOT OK')])
  await rm(path.join(folder, 'bucket'))
  await fill([0])
  await service.waitForHttp(`http://127.0.0.1:${port}/-/ready`)
}, 60_000)

test('it listens while its bucket hangs: it is alive, and not ready', async () => {
  const mute = await startMuteServer()
  try {
    const port = await freePort()
    const process = await startMnemo([
      'compact',
      '--wait',
      `--objstore.config=${mute.bucketConfig}`,
      `--data-dir=${path.join(folder, 'data')}`,
      `--http-address=127.0.0.1:${port}`,
    ])
    running.push(process)
    await process.waitForHttp(`http://127.0.0.1:${port}/-/healthy`)
    expect((await fetch(`http://127.0.0.1:${port}/-/ready`)).status).toBe(503)
    expect(await process.stop()).toBe(0)
  } finally {
    await mute.close()
  }
})
