// Random requests over golden blocks, answered as a plain model answers them that has all series in memory.
// Subject: lib/store as a whole: matchers, times, shards, label calls. Owns nothing.
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compareLabels } from '../../../lib/labels/labels.ts'
import type { LabelMatcher, MatchType } from '../../../lib/labels/matcher.ts'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import type { StoreSeries } from '../../../lib/storeapi/types.ts'
import { type BlockStore, openBlockStore } from '../../support/block-store-api.ts'
import { goldenPath } from '../../support/golden.ts'
import { Random, seed } from '../../support/random.ts'
import { collectSeries, openTestStore, type TestStore } from '../../support/test-store.ts'

const ulids = ['01M81VCRDH86F0WF0CFPEZ0BKC', '01M81VCRH9X978VMPB1HFNE61J', '01M81VCT3QZSCJJ0HE2NX140M7']
const never = new AbortController().signal
const random = new Random(seed)
let folder: string
let store: TestStore
let model: BlockStore

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mnemo-model-'))
  for (const ulid of ulids) cpSync(goldenPath('bucket', ulid), join(folder, ulid), { recursive: true })
  // A cache that holds next to nothing: every page is let go of and read again.
  store = await openTestStore(new FilesystemBucket(folder), { cacheBytes: 40_000 })
  model = await openBlockStore(ulids.map((ulid) => join(folder, ulid)))
})
afterAll(async () => {
  await store.close()
  await model.close()
  rmSync(folder, { recursive: true })
})

function pick<T>(list: readonly T[]): T {
  return list[random.u32() % list.length]!
}

const names = ['__name__', 'instance', 'job', 'kind', 'n', 'a', 'b', 'replica', 'cluster', 'nothing']
const values = [
  '',
  'a',
  'long',
  'gold',
  'a:1',
  'g_const',
  '1',
  '120',
  '.*',
  '.+',
  'g_.*',
  'g_(const|stale)',
  '1|a|',
  '[a-z]+:1',
  '1.*',
]

function randomRequest() {
  const matchers: LabelMatcher[] = [
    { type: '=~', name: '__name__', value: pick(['g_.*', '.+', 'nh', 'g_const|g_length']) },
  ]
  while (random.u32() % 3 > 0)
    matchers.push({ type: pick<MatchType>(['=', '!=', '=~', '!~']), name: pick(names), value: pick(values) })
  const minTime = 1_699_920_000_000 + (random.u32() % 216) * 1_000_000
  return { matchers, minTime, maxTime: minTime + (random.u32() % 216_000_000) }
}

function inWords(series: readonly StoreSeries[]): unknown[] {
  return series
    .map(({ labels, chunks }) => ({
      labels,
      chunks: chunks.map(({ minTime, maxTime, raw }) => [
        minTime,
        maxTime,
        raw!.type,
        Buffer.from(raw!.data).toString('base64'),
      ]),
    }))
    .sort((a, b) => compareLabels(a.labels, b.labels))
}

test(`series, seed ${seed}`, async () => {
  for (let round = 0; round < 150; round++) {
    const request = randomRequest()
    const want = await collectSeries(model, request)
    const got = await collectSeries(store.api, request)
    expect(inWords(got.series), JSON.stringify(request)).toEqual(inWords(want.series))
    for (let i = 1; i < got.series.length; i++)
      expect(compareLabels(got.series[i - 1]!.labels, got.series[i]!.labels)).toBeLessThan(0)
  }
})

test(`label names and values of selected series, seed ${seed}`, async () => {
  for (let round = 0; round < 60; round++) {
    const request = randomRequest()
    const label = pick(names)
    const why = JSON.stringify({ request, label })
    expect(await store.api.labelNames(request, never), why).toEqual(await model.labelNames(request, never))
    expect(await store.api.labelValues(label, request, never), why).toEqual(
      await model.labelValues(label, request, never),
    )
  }
})

test('shards part the series: each is in one of them', async () => {
  const request = {
    matchers: [{ type: '=~', name: '__name__', value: '.+' } as const],
    minTime: 0,
    maxTime: 2e12,
    skipChunks: true,
  }
  const whole = await collectSeries(store.api, request)
  for (const by of [true, false]) {
    const shards = await Promise.all(
      [0, 1, 2].map((index) =>
        collectSeries(store.api, { ...request, shard: { index, total: 3, by, labels: ['__name__', 'n'] } }),
      ),
    )
    expect(shards.flatMap(({ series }) => series).sort((a, b) => compareLabels(a.labels, b.labels))).toEqual(
      whole.series,
    )
  }
})

test('only external labels asked for: all series of those blocks', async () => {
  const request = { minTime: 0, maxTime: 2e12, skipChunks: true }
  const { series } = await collectSeries(store.api, {
    ...request,
    matchers: [{ type: '=', name: 'replica', value: 'a' }],
  })
  expect(series.length).toBe(31 + 13)
  const { values } = await store.api.labelValues(
    'replica',
    { ...request, matchers: [{ type: '=', name: 'cluster', value: 'gold' }] },
    never,
  )
  expect(values).toEqual(['a', 'long'])
})

test('label calls without matchers: limits, removed labels, blocks outside the range', async () => {
  const all = { minTime: 0, maxTime: 2e12, matchers: [] }
  const { values } = await store.api.labelNames(all, never)
  expect(values).toEqual(expect.arrayContaining(['__name__', 'cluster', 'replica', 'n']))
  expect((await store.api.labelNames({ ...all, limit: 2 }, never)).values).toEqual(values.slice(0, 2))
  const without = { ...all, withoutReplicaLabels: ['replica'] }
  expect((await store.api.labelNames(without, never)).values).toEqual(values.filter((name) => name !== 'replica'))
  expect((await store.api.labelValues('replica', without, never)).values).toEqual([])
  expect((await store.api.labelValues('replica', all, never)).values).toEqual(['a', 'long'])
  expect((await store.api.labelNames({ ...all, maxTime: 1 }, never)).values).toEqual([])
})
