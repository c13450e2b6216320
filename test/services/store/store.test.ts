// The store as a process over a bucket on disk: StoreAPI over gRPC, its endpoints, blocks that come and go, its end.
// Subject: services/store. Owns the process and its folders.
import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createStoreClient, type StoreClient } from '../../../lib/storeapi/client.ts'
import { goldenPath } from '../../support/golden.ts'
import { run, TestProcess } from '../../support/process.ts'
import { collectSeries } from '../../support/test-store.ts'

const mnemo = fileURLToPath(new URL('../../../bin/mnemo', import.meta.url))
const short = '01M81VCRDH86F0WF0CFPEZ0BKC'
const long = '01M81VCT3QZSCJJ0HE2NX140M7'
const signal = AbortSignal.timeout(60_000)
const everything = { minTime: 0, maxTime: 2e12, matchers: [{ type: '=', name: '__name__', value: 'g_const' } as const] }

let folder: string
let store: TestProcess
let client: StoreClient
let http: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mnemo-store-'))
  await addBlock(short)
  await start()
})

afterEach(async () => {
  client.close()
  await store.stop()
  await rm(folder, { recursive: true })
})

async function start(): Promise<void> {
  store = await TestProcess.start({
    command: mnemo,
    args: [
      'store',
      `--data-dir=${join(folder, 'data')}`,
      `--objstore.config={type: FILESYSTEM, config: {directory: ${join(folder, 'bucket')}}}`,
      '--http-address=127.0.0.1:0',
      '--grpc-address=127.0.0.1:0',
      '--sync-block-duration=100ms',
    ],
  })
  const [, httpAddress] = await store.waitForOutput(/requests and metrics" address=(\S+)/)
  const [, grpcAddress] = await store.waitForOutput(/serving gRPC" address=(\S+)/)
  http = `http://${httpAddress}`
  client = createStoreClient(grpcAddress!)
  await store.waitForHttp(`${http}/-/ready`)
}

/** The block appears whole: its meta.json comes last. */
async function addBlock(ulid: string, meta?: string, from = ulid): Promise<void> {
  const target = join(folder, 'bucket', ulid)
  await cp(goldenPath('bucket', from), target, { recursive: true, filter: (file) => !file.endsWith('meta.json') })
  if (meta === undefined) await cp(goldenPath('bucket', ulid, 'meta.json'), join(target, 'meta.json'))
  else await writeFile(join(target, 'meta.json'), meta)
}

async function replicas(): Promise<string[]> {
  const { series } = await collectSeries(client, everything)
  return series.map(({ labels }) => labels.at(-1)!)
}

test('answers Info, Series and label calls, and shows its metrics', async () => {
  const info = await client.info(signal)
  expect(info.componentType).toBe('store')
  expect(info.labelSets).toEqual([['cluster', 'gold', 'replica', 'a']])
  expect(info.store).toMatchObject({ minTime: 1_700_006_400_000, maxTime: 1_700_013_600_000, supportsSharding: true })

  const { series, warnings, queriedBlocks } = await collectSeries(client, { ...everything, responseBatchSize: 32 })
  expect(warnings).toEqual([])
  expect(queriedBlocks).toEqual([short])
  expect(series.map(({ labels, chunks }) => [labels, chunks.length])).toEqual([
    [['__name__', 'g_const', 'cluster', 'gold', 'replica', 'a'], 4],
  ])
  expect((await client.labelValues('replica', everything, signal)).values).toEqual(['a'])

  const metrics = await (await fetch(`${http}/metrics`)).text()
  expect(metrics).toContain('thanos_bucket_store_blocks_loaded 1')
  expect(metrics).toContain('thanos_bucket_store_series_blocks_queried_count 1')
  expect(metrics).toContain('thanos_bucket_store_series_data_fetched_count{data_type="chunks"} 1')
  expect((await fetch(`${http}/-/healthy`)).status).toBe(200)
})

test('a block that is added answers without a restart, one that is deleted no longer', async () => {
  expect(await replicas()).toEqual(['a'])
  await addBlock(long)
  await expect.poll(replicas, { timeout: 10_000 }).toEqual(['a', 'long'])
  await rm(join(folder, 'bucket', short, 'meta.json'))
  await rm(join(folder, 'bucket', short), { recursive: true })
  await expect.poll(replicas, { timeout: 10_000 }).toEqual(['long'])
})

test('an object that is missing for a while is a warning, then answered again', async () => {
  await rename(join(folder, 'bucket', short, 'index'), join(folder, 'index'))
  const { warnings, series } = await collectSeries(client, everything)
  expect(series).toEqual([])
  expect(warnings[0]).toContain(`cannot read block ${short}`)
  await rename(join(folder, 'index'), join(folder, 'bucket', short, 'index'))
  expect(await replicas()).toEqual(['a'])
})

test('a block whose meta.json cannot be read any more is served on, one that came so is named', async () => {
  expect(await replicas()).toEqual(['a'])
  await writeFile(join(folder, 'bucket', short, 'meta.json'), '{"version": 2}')
  await addBlock(long, '{"version": 2}')
  const unread = async () => (await collectSeries(client, everything)).warnings.join()
  await expect.poll(unread, { timeout: 10_000 }).toContain(`cannot read block ${long}, which could not be loaded`)
  expect(await unread()).not.toContain(short)
  expect(await replicas()).toEqual(['a'])
  expect(await (await fetch(`${http}/metrics`)).text()).toContain('thanos_blocks_meta_synced{state="failed"} 2')
})

test('a block that is marked for deletion hides no other one', async () => {
  // Its sources are those of the block that is there, and of two the lower ULID stays.
  const again = '01M81VCRDH86F0WF0CFPEZ0BKD'
  const meta = await readFile(goldenPath('bucket', short, 'meta.json'), 'utf8')
  await addBlock(again, meta.replace(`"ulid": "${short}"`, `"ulid": "${again}"`), short)
  const queried = async () => (await collectSeries(client, everything)).queriedBlocks
  expect(await queried()).toEqual([short])
  const mark = { id: short, version: 1, deletion_time: Math.floor(Date.now() / 1000) }
  await writeFile(join(folder, 'bucket', short, 'deletion-mark.json'), JSON.stringify(mark))
  await expect.poll(queried, { timeout: 10_000 }).toEqual([again])
})

test('SIGTERM ends it with status 0; the next start builds no index-header anew', async () => {
  expect(await store.stop()).toBe(0)
  client.close()
  await rename(join(folder, 'bucket', short, 'index'), join(folder, 'index'))
  await start()
  expect((await client.info(signal)).labelSets.length).toBe(1)
})

test('a wrong flag or configuration is one line and status 2', async () => {
  const config = `{type: FILESYSTEM, config: {directory: ${folder}}}`
  const cases: [string[], string][] = [
    [[], 'cannot do without a bucket'],
    [['--objstore.config={type: FTP}'], 'type: got "FTP", want S3 or FILESYSTEM'],
    [[`--objstore.config=${config}`, '--sync-block-duration=0s'], '--sync-block-duration=0'],
    [[`--objstore.config=${config}`, '--data-dir=/dev/null/x'], 'cannot use --data-dir=/dev/null/x'],
    [[`--objstore.config=${config}`, '--min-time=-1d', '--max-time=-2d'], 'want min before max'],
  ]
  for (const [args, want] of cases) {
    const failed = await run(mnemo, ['store', ...args]).catch((error: { code: number; stderr: string }) => error)
    expect(failed).toMatchObject({ code: 2 })
    expect((failed as { stderr: string }).stderr).toMatch(/^mnemo store: [^\n]+\n$/)
    expect((failed as { stderr: string }).stderr).toContain(want)
  }
})
