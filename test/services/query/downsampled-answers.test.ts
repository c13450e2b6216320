// What a Thanos querier over a Thanos store answered from the golden bucket's downsampled blocks, raw ones gone: the same answers of
// our store and querier, for each function where Thanos is right. Where it is not (counts and averages over a range), the raw blocks'
// answers are the mark. Owns the bucket's copy.
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { labelsToObject } from '../../../lib/labels/labels.ts'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import { execute } from '../../../lib/promql/exec/engine.ts'
import { parseExpr } from '../../../lib/promql/parse/parser.ts'
import { fiveMinutesMs, lookbackAtMs, oneHourMs } from '../../../lib/storeapi/reading.ts'
import { Fetched } from '../../../services/query/fetched.ts'
import { FanoutQueryable } from '../../../services/query/queryable.ts'
import { anyTime } from '../../support/fake-store.ts'
import { goldenPath } from '../../support/golden.ts'
import { openTestStore, type TestStore } from '../../support/test-store.ts'

interface Answer {
  readonly query: string
  readonly maxSourceResolution: '5m' | '1h'
  /** Seconds. */
  readonly start: number
  readonly end: number
  readonly step: number
  readonly result: readonly { readonly metric: Record<string, string>; readonly values: readonly [number, string][] }[]
}

const resolutionsMs = { '5m': fiveMinutesMs, '1h': oneHourMs }
const answers = JSON.parse(await readFile(goldenPath('downsampled-answers.json'), 'utf8')) as readonly Answer[]
const folders: string[] = []
const stores = new Map<'raw' | 'downsampled', TestStore>()

beforeAll(async () => {
  for (const kind of ['raw', 'downsampled'] as const) {
    const folder = await mkdtemp(path.join(tmpdir(), 'downsampled-answers-'))
    folders.push(folder)
    for (const set of ['bucket', 'downsampled-1h']) await copyFloatBlocks(goldenPath(set), folder, kind)
    stores.set(kind, await openTestStore(new FilesystemBucket(folder)))
  }
})

afterAll(async () => {
  for (const store of stores.values()) await store.close()
  for (const folder of folders) await rm(folder, { recursive: true })
})

async function copyFloatBlocks(from: string, to: string, kind: 'raw' | 'downsampled'): Promise<void> {
  for (const ulid of await readdir(from)) {
    if (ulid.includes('.')) continue
    const { thanos, stats } = JSON.parse(await readFile(path.join(from, ulid, 'meta.json'), 'utf8'))
    const isRaw = thanos.downsample.resolution === 0
    if (thanos.labels.replica !== 'long' || stats.numHistogramSamples > 0 || isRaw !== (kind === 'raw')) continue
    await cp(path.join(from, ulid), path.join(to, ulid), { recursive: true })
  }
}

interface Asked {
  readonly query: string
  readonly startMs: number
  readonly endMs: number
  readonly stepMs: number
  readonly maxResolutionMs: number
}

/** Each series' values by time in seconds, by its labels. */
async function ask(kind: 'raw' | 'downsampled', asked: Asked): Promise<Map<string, Map<number, number>>> {
  const { query, maxResolutionMs, ...times } = asked
  const kernels = createKernels()
  const endpoint = { ...anyTime, address: kind, componentType: 'store', labelSets: [], hasStore: true }
  const lookbackMs = lookbackAtMs(fiveMinutesMs, maxResolutionMs)
  const queryable = new FanoutQueryable({
    stores: {
      endpoints: [{ ...endpoint, supportsWithoutReplicaLabels: true }],
      client: () => stores.get(kind)!.api,
      partialResponse: false,
      responseTimeoutMs: 0,
      storeMatchers: [],
    },
    kernels,
    replicaLabels: ['replica'],
    dedupFunction: 'penalty',
    maxResolutionMs,
    lookbackMs,
    fetched: new Fetched(),
    fetchLimits: { maxSeries: 0, maxBytes: 0 },
  })
  const { signal } = new AbortController()
  const result = await execute({ query, expr: parseExpr(query), ...times, lookbackMs, queryable, kernels, signal })
  queryable.close()
  if (result.type !== 'matrix') throw new Error(`got a ${result.type}, want a matrix`)
  return new Map(
    result.series.map(({ labels, times, values }) => [
      JSON.stringify(Object.entries(labelsToObject(labels)).sort()),
      new Map(Array.from(times, (time, i) => [time / 1000, values[i]!])),
    ]),
  )
}

describe.each(answers)('$query at $maxSourceResolution', ({ query, maxSourceResolution, start, end, step, result }) => {
  test('as Thanos answered', async () => {
    const times = { startMs: start * 1000, endMs: end * 1000, stepMs: step * 1000 }
    const got = await ask('downsampled', { query, ...times, maxResolutionMs: resolutionsMs[maxSourceResolution] })
    const keys = result.map(({ metric }) => JSON.stringify(Object.entries(metric).sort()))
    expect([...got.keys()].sort()).toEqual([...keys].sort())
    for (const [i, { values }] of result.entries()) {
      const own = got.get(keys[i]!)!
      expect([...own.keys()]).toEqual(values.map(([time]) => time))
      for (const [time, text] of values) expect(own.get(time)! / Number(text) || 1, `at ${time}`).toBeCloseTo(1, 9)
    }
  })
})

describe.each(['count_over_time', 'avg_over_time', 'sum_over_time', 'min_over_time', 'max_over_time'])('%s', (func) => {
  const names = ['g_counter_total', 'g_stale', 'g_const', 'g_length']
  const cases = (['5m', '1h'] as const).flatMap((resolution) => names.map((name) => [name, resolution] as const))
  test.each(cases)('of whole hours of %s is that of the raw samples at %s', async (name, resolution) => {
    // Windows hold what is before their end.
    const times = { startMs: 1699941600000 - 1, endMs: 1700352000000 - 1, stepMs: 4 * oneHourMs }
    const query = `${func}(${name}[6h])`
    const want = await ask('raw', { query, ...times, maxResolutionMs: 0 })
    const got = await ask('downsampled', { query, ...times, maxResolutionMs: resolutionsMs[resolution] })
    expect([...got.keys()]).toEqual([...want.keys()])
    for (const [key, values] of want) {
      const own = got.get(key)!
      expect([...own.keys()]).toEqual([...values.keys()])
      for (const [time, value] of values) expect(own.get(time)! / value || 1, `at ${time}`).toBeCloseTo(1, 9)
    }
  })
})
