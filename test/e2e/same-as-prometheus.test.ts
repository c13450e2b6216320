// The same blocks, written by promtool, behind our store and querier and behind a real Prometheus: the same answers,
// before and after a compaction. Queries stand in queries.txt.
// Values may differ by 1e-12: Prometheus 2.42 adds plainly where 3 and we sum with compensation (sum, avg, stddev); of 3.14
// only the last digits of sin, cos, exp and atan2 differ. Labels, times and the presence of every sample must be equal.
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isUlid } from '../../lib/blocks/block-name.ts'
import { type Answer, ask as askApi, differences, get, readQueries } from '../support/api-answers.ts'
import { type ApiServer, bucketFlag, startCluster, startMnemo, startPrometheus } from '../support/cluster.ts'
import { openMetricsText } from '../support/openmetrics.ts'
import { hasCommand, run } from '../support/process.ts'

/** Six blocks of two hours from a multiple of 8 hours on: the first four are compacted into one, the newest are left. */
const fromMs = 1_700_006_400_000
const hourMs = 3_600_000
const toMs = fromMs + 12 * hourMs
/** What the upload adds. Data is deduplicated along it; the list of label names has it all the same, as in Thanos. */
const externalLabel = 'replica'
const wallMs = 110_000
const shownDifferences = 5

const missing = ['prometheus', 'promtool'].filter((command) => !hasCommand(command))
if (missing.length > 0) console.log(`same-as-prometheus is left out: ${missing.join(' and ')} not on this machine`)

const queries = await readQueries()

describe.skipIf(missing.length > 0)('answers are those of Prometheus over the same blocks', () => {
  let folder: string
  let bucket: string
  let ours: Awaited<ReturnType<typeof startCluster>>
  let prometheus: ApiServer
  const wanted = new Map<string, Answer>()

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'mnemo-same-'))
    bucket = path.join(folder, 'bucket')
    const blocks = path.join(folder, 'blocks')
    await makeBlocks(folder, blocks)
    const data = path.join(folder, 'prometheus')
    await cp(blocks, data, { recursive: true })
    prometheus = await startPrometheus(data)
    const upload = ['--path', blocks, '--label', `${externalLabel}="a"`, '--log.level=error']
    await runMnemo('tools', 'bucket', 'upload-blocks', bucketFlag(bucket), ...upload)
    ours = await startCluster({ bucket, workFolder: folder, storeArgs: ['--sync-block-duration=500ms'] })
  }, wallMs)

  afterAll(async () => {
    await Promise.all([ours?.stop(), prometheus?.stop()])
    if (folder !== undefined) await rm(folder, { recursive: true })
  })

  test.each(queries)('%s', async (query) => {
    const [got, want] = await Promise.all([ask(ours.url, query), ask(prometheus.url, query)])
    expect(want.status).toBe('success')
    // A query that selects nothing would show nothing.
    expect(sizeOf(want.data)).toBeGreaterThan(0)
    expectSame(got, want)
    wanted.set(query, want)
  })

  test('without deduplication the replica is told', async () => {
    const answer = await get(`${ours.url}/api/v1/query?query=up&time=${seconds(fromMs + hourMs)}&dedup=false`)
    const { result } = answer.data as { result: { metric: Record<string, string> }[] }
    expect(new Set(result.map(({ metric }) => metric[externalLabel]))).toEqual(new Set(['a']))
  })

  test(
    'a compaction changes no answer, and needs no restart',
    async () => {
      const before = await blocksOf(bucket)
      const compact = [`--data-dir=${path.join(folder, 'compact')}`, '--consistency-delay=0s', '--delete-delay=0s']
      await runMnemo('compact', bucketFlag(bucket), ...compact, '--http-address=127.0.0.1:0', '--log.level=error')
      const after = await blocksOf(bucket)
      expect(before).toHaveLength(6)
      expect(after).toHaveLength(3)
      await untilLoaded(ours.storeUrl, after.length)
      for (const [query, want] of wanted) expectSame(await ask(ours.url, query), want, query)
    },
    wallMs,
  )
})

async function makeBlocks(folder: string, blocks: string): Promise<void> {
  const text = path.join(folder, 'metrics.txt')
  await mkdir(blocks)
  await writeFile(text, openMetricsText({ seed: 1, fromMs, toMs, intervalMs: 30_000 }))
  await run('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', '--quiet', text, blocks], wallMs)
}

async function runMnemo(...args: string[]): Promise<void> {
  const process = await startMnemo(args)
  expect(await process.waitForExit(wallMs), process.output).toBe(0)
}

async function blocksOf(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter(isUlid)
}

/** Until the store has loaded so many blocks, and dropped the others. */
async function untilLoaded(url: string, count: number): Promise<void> {
  const want = `\nthanos_bucket_store_blocks_loaded ${count}\n`
  for (let i = 0; i < 200; i++) {
    if ((await (await fetch(`${url}/metrics`)).text()).includes(want)) return
    await sleep(50)
  }
  throw new Error(`the store has not come to ${count} blocks`)
}

const ask = (url: string, query: string) => askApi(url, query, { fromMs, toMs })
const seconds = (timeMs: number) => timeMs / 1000

function sizeOf(data: unknown): number {
  if (Array.isArray(data)) return data.length
  return (data as { result: unknown[] }).result.length
}

function expectSame(got: Answer, want: Answer, message?: string): void {
  expect(got.error, message).toBe(want.error)
  expect(got.status, message).toBe('success')
  const found = differences(got, want, [externalLabel])
  expect(found.slice(0, shownDifferences), `${found.length} differences ${message ?? ''}`).toEqual([])
}
