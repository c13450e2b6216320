// History whose raw samples have expired: compactor, store and querier as processes over a bucket of five days. What is downsampled
// answers for the first of them, raw samples for the last, and a panel over all of it shows neither hole nor step.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FilesystemBucket } from '../../lib/objstore/filesystem.ts'
import { type ApiServer, bucketFlag, startCluster, startMnemo } from '../support/cluster.ts'
import { putMadeBlock } from '../support/made-blocks.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const endMs = Math.floor(Date.now() / (2 * hourMs)) * 2 * hourMs
const startMs = endMs - 120 * hourMs
/** Blocks of the first four days, and of the last. */
const bounds = [startMs, startMs + 48 * hourMs, startMs + 96 * hourMs, endMs]

const folder = await mkdtemp(path.join(tmpdir(), 'mnemo-history-'))
const bucket = path.join(folder, 'bucket')
let cluster: ApiServer

beforeAll(async () => {
  for (const [i, minTime] of bounds.slice(0, -1).entries())
    await putMadeBlock(new FilesystemBucket(bucket), { ...blockOf(minTime, bounds[i + 1]!), level: 3 })
  // What the first run marks the second one deletes.
  await compact()
  await compact()
  const queryArgs = ['--query.auto-downsampling', '--query.replica-label=replica']
  cluster = await startCluster({ bucket, workFolder: folder, queryArgs })
}, 120_000)

afterAll(async () => {
  await cluster?.stop()
  await rm(folder, { recursive: true })
})

/** A counter that grows by one a minute but falls every 7 hours, and a gauge of the sample's number; a sample a minute. */
function blockOf(minTime: number, maxTime: number) {
  const samplesOf = (value: (minute: number) => number) =>
    Array.from({ length: (maxTime - minTime) / minuteMs }, (_, i): [number, number] => [
      minTime + i * minuteMs + 1,
      value((minTime - startMs) / minuteMs + i),
    ])
  return {
    minTime,
    maxTime,
    series: [
      { labels: ['__name__', 'counter_total'], samples: samplesOf((minute) => minute % (7 * 60)) },
      { labels: ['__name__', 'gauge'], samples: samplesOf((minute) => minute) },
    ],
  }
}

async function compact(): Promise<void> {
  const process = await startMnemo([
    'compact',
    bucketFlag(bucket),
    `--data-dir=${path.join(folder, 'compact')}`,
    '--http-address=127.0.0.1:0',
    '--consistency-delay=0s',
    '--delete-delay=0s',
    '--retention.resolution-raw=40h',
  ])
  expect(await process.waitForExit(60_000), process.output).toBe(0)
}

async function query(kind: 'query' | 'query_range', params: Record<string, string | number>) {
  const search = new URLSearchParams(
    Object.entries(params).map(([name, value]): [string, string] => [name, String(value)]),
  )
  const response = await fetch(`${cluster.url}/api/v1/${kind}?${search}`)
  const { status, data, error, warnings } = (await response.json()) as {
    status: string
    error?: string
    warnings?: string[]
    data: { result: { values?: [number, string][]; value?: [number, string] }[] }
  }
  expect({ status, error, warnings }).toEqual({ status: 'success' })
  return data.result
}

/** The one series' values by hours since the start. */
async function range(text: string, params: { from: number; to: number; stepMs: number; resolution?: string }) {
  const { from, to, stepMs, resolution } = params
  const result = await query('query_range', {
    query: text,
    start: startMs / 1000 + from * 3600,
    end: startMs / 1000 + to * 3600,
    step: stepMs / 1000,
    ...(resolution && { max_source_resolution: resolution }),
  })
  expect(result.length).toBeLessThan(2)
  return (result[0]?.values ?? []).map(([time, value]) => [(time - startMs / 1000) / 3600, Number(value)] as const)
}

test('raw samples of the first days are gone', async () => {
  const blocks = (await readdir(bucket)).filter((name) => /^[0-9A-Z]{26}$/.test(name))
  const metas = await Promise.all(
    blocks.map(async (ulid) => JSON.parse(await readFile(path.join(bucket, ulid, 'meta.json'), 'utf8'))),
  )
  const raw = metas.filter(({ thanos }) => thanos.downsample.resolution === 0)
  expect(raw.some(({ minTime }) => minTime === startMs)).toBe(false)
  const values = await range('gauge', { from: 1, to: 120, stepMs: hourMs, resolution: '0s' })
  expect(values[0]![0]).toBe(49)
})

test.each(['5m', '1h'])('every hour of a panel over all five days, at %s', async (resolution) => {
  const all = { from: 1, to: 120, stepMs: hourMs, resolution }
  const hours = Array.from({ length: 120 }, (_, i) => i + 1)
  const values = await range('count_over_time(gauge[1h])', all)
  expect(values).toEqual(hours.map((hour) => [hour, 60]))
  expect(await range('max_over_time(gauge[1h])', all)).toEqual(hours.map((hour) => [hour, hour * 60 - 1]))
  expect(await range('avg_over_time(gauge[1h])', all)).toEqual(hours.map((hour) => [hour, hour * 60 - 30.5]))
  const shown = await range('gauge', all)
  expect(shown.map(([hour]) => hour)).toEqual(hours)
  // A value of the hour that is over.
  for (const [hour, value] of shown) expect(value).toBeGreaterThanOrEqual((hour - 1) * 60)
})

test('a counter grows evenly across resets, chunks and the seam', async () => {
  const values = await range('increase(counter_total[2h])', { from: 3, to: 119, stepMs: hourMs, resolution: '5m' })
  expect(values.length).toBe(117)
  // After a fall to 0 a minute's growth is not seen; where windows are followed by raw samples, rate() extends the range less.
  for (const [hour, value] of values) expect(Math.abs(value - 120), `at hour ${hour}: ${value}`).toBeLessThan(4)
})

test('auto: by the step of a panel, and for an instant query', async () => {
  const stepMs = 25 * minuteMs
  const values = await range('gauge', { from: 1, to: 119, stepMs })
  expect(values.length).toBe(Math.floor((118 * hourMs) / stepMs) + 1)
  const [total] = await query('query', { query: 'count_over_time(gauge[5d])', time: endMs / 1000 })
  expect(total?.value?.[1]).toBe(String(120 * 60))
  const fine = await range('gauge', { from: 1, to: 119, stepMs: 20 * minuteMs })
  expect(fine[0]![0]).toBeGreaterThanOrEqual(48)
})
