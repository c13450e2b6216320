// What users see of a querier under load, on real processes: a thousand queries at once, one of fifty million samples beside a
// hundred small ones, one over its limit, a client that leaves, a store that hangs. Health is asked throughout.
// Owns a store and a querier over one made block of 2,000 series.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCluster } from '../support/cluster.ts'
import { wideBlock, writeWideBlock } from '../support/wide-block.ts'

const { samplesPerSeries, smallSeries, wideSeries } = wideBlock
const concurrency = 20

let folder: string
let cluster: Awaited<ReturnType<typeof startCluster>>

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'mnemo-load-'))
  const bucket = path.join(folder, 'bucket')
  await writeWideBlock(bucket)
  const queryArgs = [
    `--query.max-concurrent=${concurrency}`,
    '--query.max-samples=10000000',
    '--store.response-timeout=5s',
  ]
  cluster = await startCluster({ bucket, workFolder: folder, queryArgs })
}, 60_000)

afterAll(async () => {
  await cluster?.stop()
  await rm(folder, { recursive: true })
})

interface Answer {
  readonly status: number
  readonly value: number | undefined
  readonly error: string | undefined
  readonly warnings: readonly string[] | undefined
}

async function ask(query: string, options: AskOptions = {}): Promise<Answer> {
  const { signal, ...parameters } = options
  const time = String(wideBlock.lastMs / 1000)
  const url = `${cluster.url}/api/v1/query?${new URLSearchParams({ query, time, ...parameters })}`
  const response = await fetch(url, signal ? { signal } : {})
  const body = (await response.json()) as Body
  const value = body.data?.result[0]?.value[1]
  return {
    status: response.status,
    value: value === undefined ? undefined : Number(value),
    error: body.error,
    warnings: body.warnings,
  }
}

interface AskOptions {
  readonly signal?: AbortSignal
  readonly timeout?: string
  readonly partial_response?: string
}

interface Body {
  readonly error?: string
  readonly warnings?: readonly string[]
  readonly data?: { readonly result: readonly { readonly value: [number, string] }[] }
}

/** Asks the services' health, again and again, while `work` runs; its result, once every probe was answered by 200. */
async function healthyDuring<T>(work: () => Promise<T>, urls = [cluster.url, cluster.storeUrl]): Promise<T> {
  const over = new AbortController()
  const probing = urls.map(async (url) => {
    const statuses: number[] = []
    do {
      statuses.push((await fetch(`${url}/-/healthy`)).status)
      await sleep(20)
    } while (!over.signal.aborted)
    return statuses
  })
  try {
    return await work()
  } finally {
    over.abort()
    for (const statuses of await Promise.all(probing)) expect(new Set(statuses)).toEqual(new Set([200]))
  }
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${cluster.url}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)![1])
}

interface ActiveQuery {
  readonly id: string
  readonly state: 'waiting' | 'running'
  readonly query: string
}

async function activeQueries(): Promise<readonly ActiveQuery[]> {
  const response = await fetch(`${cluster.url}/api/v1/status/active_queries`)
  return ((await response.json()) as { data: ActiveQuery[] }).data
}

/** Right answers, without a warning, soon at the latest. */
async function answersAgain(): Promise<void> {
  const right = { status: 200, value: smallSeries * lastValue, error: undefined, warnings: undefined }
  await expect.poll(() => ask('sum(small)'), { timeout: 20_000 }).toEqual(right)
}

const lastValue = samplesPerSeries - 1
const heavy = 'sum(sum_over_time(wide[5d]))'
const heavyValue = (wideSeries * samplesPerSeries * lastValue) / 2

test('a thousand queries at once: each is answered, no more than the maximum run, those that wait are told', async () => {
  const lists: (readonly ActiveQuery[])[] = []
  const answers = await healthyDuring(async () => {
    const asked = Array.from({ length: 1000 }, (_, i) => ask(`sum(small{i!="x${i}"})`))
    const over = Promise.all(asked).then(() => 'over')
    while ((await Promise.race([over, sleep(20)])) !== 'over') lists.push(await activeQueries())
    return Promise.all(asked)
  })
  for (const answer of answers) expect(answer).toMatchObject({ status: 200, value: smallSeries * lastValue })
  const counted = (state: string) => lists.map((list) => list.filter((query) => query.state === state).length)
  expect(Math.max(...counted('running'))).toBeLessThanOrEqual(concurrency)
  expect(Math.max(...counted('waiting'))).toBeGreaterThan(0)
  expect(await metric('thanos_query_concurrent_gate_queries_in_flight')).toBe(0)
  expect(await metric('mnemo_query_gate_queries_waiting')).toBe(0)
}, 60_000)

test('fifty million samples beside a hundred small queries: all right, the small ones first', async () => {
  await healthyDuring(async () => {
    const order: string[] = []
    const asked = ask(`${heavy} + ${heavy}`).finally(() => order.push('heavy'))
    await expect.poll(activeQueries).toMatchObject([{ state: 'running' }])
    const small = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(`sum(small{i!="y${i}"})`)))
    order.push('small')
    for (const answer of small) expect(answer).toMatchObject({ status: 200, value: smallSeries * lastValue })
    expect(await asked).toMatchObject({ status: 200, value: 2 * heavyValue })
    expect(order).toEqual(['small', 'heavy'])
  })
}, 60_000)

test('a query over its limit says which; one over its time, too; the next one is answered', async () => {
  const tooMuch = await healthyDuring(() => ask('wide[5d]'))
  expect(tooMuch).toMatchObject({ status: 422, error: expect.stringContaining('too many samples') })
  const timedOut = await healthyDuring(() => ask(heavy, { timeout: '50ms' }))
  expect(timedOut).toMatchObject({ status: 503, error: 'query timed out in expression evaluation' })
  await answersAgain()
}, 60_000)

test('a client that leaves takes its query along, waiting or running', async () => {
  const leave = new AbortController()
  const asked = Array.from({ length: 2 * concurrency }, () => ask(`${heavy} + 0`, { signal: leave.signal }))
  const left = Promise.allSettled(asked)
  await expect.poll(async () => (await activeQueries()).length).toBe(2 * concurrency)
  leave.abort()
  expect((await left).map(({ status }) => status)).toEqual(asked.map(() => 'rejected'))
  await expect.poll(activeQueries).toEqual([])
  await answersAgain()
}, 60_000)

test('a store that hangs is a warning once it has been silent for too long, and an error without partial response', async () => {
  process.kill(cluster.processes.store!.pid, 'SIGSTOP')
  try {
    const partial = await healthyDuring(() => ask('sum(small)'), [cluster.url])
    expect(partial).toMatchObject({ status: 200, value: undefined, warnings: [expect.stringContaining('5000 ms')] })
    const whole = await healthyDuring(() => ask('sum(small)', { partial_response: 'false' }), [cluster.url])
    expect(whole.status).toBeGreaterThanOrEqual(400)
  } finally {
    process.kill(cluster.processes.store!.pid, 'SIGCONT')
  }
  await answersAgain()
}, 60_000)
