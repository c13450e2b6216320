// The same blocks, written by promtool, behind our store and querier and behind a real Prometheus: the same answers,
// before and after a compaction. Queries stand in queries.txt.
// Values may differ by 1e-12: Prometheus 2.42 adds plainly where 3 and we sum with compensation (sum, avg, stddev); of 3.14
// only the last digits of sin, cos, exp and atan2 differ. Labels, times and the presence of every sample must be equal.
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isUlid } from '../../lib/blocks/ulid.ts'
import { type ApiServer, bucketFlag, startCluster, startMnemo, startPrometheus } from '../support/cluster.ts'
import { openMetricsText } from '../support/openmetrics.ts'
import { hasCommand, run } from '../support/process.ts'

/** Six blocks of two hours from a multiple of 8 hours on: the first four are compacted into one, the newest are left. */
const fromMs = 1_700_006_400_000
const hourMs = 3_600_000
const toMs = fromMs + 12 * hourMs
const rangeFromMs = fromMs + hourMs + 37_000
const rangeToMs = toMs + 10 * 60_000
const relativeTolerance = 1e-12
/** What the upload adds. Data is deduplicated along it; the list of label names has it all the same, as in Thanos. */
const externalLabel = 'replica'
const wallMs = 110_000
const shownDifferences = 5

const missing = ['prometheus', 'promtool'].filter((command) => !hasCommand(command))
if (missing.length > 0) console.log(`same-as-prometheus is left out: ${missing.join(' and ')} not on this machine`)

const queries = (await readFile(new URL('queries.txt', import.meta.url), 'utf8'))
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))

interface Answer {
  readonly status: string
  readonly error?: string
  readonly data?: unknown
}

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

function ask(url: string, query: string): Promise<Answer> {
  const [kind, ...rest] = query.split(' ')
  const [first = '', ...others] = rest
  const whole = `start=${seconds(fromMs)}&end=${seconds(toMs)}`
  const matches = (texts: readonly string[]) => texts.map((text) => `&match[]=${encodeURIComponent(text)}`).join('')
  const expression = encodeURIComponent(others.join(' '))
  switch (kind) {
    case 'range': {
      const times = `start=${seconds(rangeFromMs)}&end=${seconds(rangeToMs)}&step=${first}`
      return get(`${url}/api/v1/query_range?${times}&query=${expression}`)
    }
    case 'instant':
      return get(`${url}/api/v1/query?time=${seconds(fromMs + afterMs(first))}&query=${expression}`)
    case 'series':
      return get(`${url}/api/v1/series?${whole}${matches(rest)}`)
    case 'labels':
      return get(`${url}/api/v1/labels?${whole}${matches(rest)}`)
    case 'values':
      return get(`${url}/api/v1/label/${first}/values?${whole}${matches(others)}`)
    default:
      throw new Error(`queries.txt has ${query}`)
  }
}

/** `5h30m` in ms, and 17 s more: off the samples and off whole minutes. */
function afterMs(text: string): number {
  const [, hours = '0', minutes = '0'] = /^(?:(\d+)h)?(?:(\d+)m)?$/.exec(text) ?? []
  return Number(hours) * hourMs + Number(minutes) * 60_000 + 17_000
}

const seconds = (timeMs: number) => timeMs / 1000

async function get(url: string): Promise<Answer> {
  return (await (await fetch(url)).json()) as Answer
}

function sizeOf(data: unknown): number {
  if (Array.isArray(data)) return data.length
  return (data as { result: unknown[] }).result.length
}

function expectSame(got: Answer, want: Answer, message?: string): void {
  expect(got.error, message).toBe(want.error)
  expect(got.status, message).toBe('success')
  const found = differences(canonical(got.data), canonical(want.data))
  expect(found.slice(0, shownDifferences), `${found.length} differences ${message ?? ''}`).toEqual([])
}

interface Entry {
  readonly metric: Readonly<Record<string, string>>
}

/**
 * A vector's samples come in no order unless sorted: they are put in the order of their labels. Labels become one string,
 * so that they are compared as they are.
 */
function canonical(data: unknown): unknown {
  const { resultType, result } = data as { resultType?: string; result: Entry[] }
  if (Array.isArray(data)) return data.filter((value) => value !== externalLabel)
  if (resultType !== 'vector' && resultType !== 'matrix') return data
  const keyed = result.map((entry) => ({ ...entry, metric: JSON.stringify(Object.entries(entry.metric).sort()) }))
  return { resultType, result: keyed.sort((a, b) => (a.metric < b.metric ? -1 : 1)) }
}

/** Where the two differ, each with what was got and what was wanted. */
function differences(got: unknown, want: unknown, at = ''): string[] {
  if (Object.is(got, want)) return []
  if (isObject(got) && isObject(want)) {
    const keys = new Set([...Object.keys(got), ...Object.keys(want)])
    return [...keys].flatMap((key) => differences(got[key], want[key], `${at}/${key}`))
  }
  if (typeof got === 'string' && typeof want === 'string' && isClose(got, want)) return []
  return [`${at}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`]
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function isClose(got: string, want: string): boolean {
  const difference = Math.abs(Number(got) - Number(want))
  return difference <= relativeTolerance * Math.abs(Number(want))
}
