// What a request reads of the bucket: how many ranges, how many bytes, and never a whole chunk file.
// Subject: lib/store over a block of 1,000 series with 4 chunks each. Owns nothing.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { LabelMatcher } from '../../../lib/labels/matcher.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import type { SeriesRequest, StoreSeries } from '../../../lib/storeapi/types.ts'
import { CountingBucket } from '../../support/counting-bucket.ts'
import { putMadeBlock } from '../../support/made-blocks.ts'
import { Random } from '../../support/random.ts'
import { collectSeries, openTestStore, type TestStore } from '../../support/test-store.ts'

const hourMs = 3_600_000
const seriesCount = 1000

let bucket: CountingBucket
let store: TestStore
let chunkFileBytes: number

beforeAll(async () => {
  bucket = new CountingBucket(new MemoryBucket())
  const random = new Random(7)
  const series = Array.from({ length: seriesCount }, (_, i) => ({
    labels: [
      '__name__',
      'requests_total',
      'instance',
      String(i).padStart(4, '0'),
      'shard',
      String(i % 20).padStart(2, '0'),
    ],
    samples: Array.from({ length: 480 }, (_, t) => [t * 15_000, random.float()] as const),
  }))
  const { ulid } = await putMadeBlock(bucket, { minTime: 0, maxTime: 2 * hourMs, series })
  chunkFileBytes = (await bucket.attributes(`${ulid}/chunks/000001`)).sizeBytes
  store = await openTestStore(bucket)
})
afterAll(() => store.close())
beforeEach(() => {
  bucket.reads.length = 0
})

function request(matcher: LabelMatcher, range: readonly [number, number] = [0, 2 * hourMs]): SeriesRequest {
  return { minTime: range[0], maxTime: range[1], matchers: [matcher] }
}

async function measure(asked: SeriesRequest) {
  const { series, warnings } = await collectSeries(store.api, asked)
  expect(warnings).toEqual([])
  expect(bucket.gets).toEqual([])
  const chunkReads = bucket.reads.filter(({ name }) => name.includes('/chunks/'))
  const chunkBytes = chunkReads.reduce((sum, { length }) => sum + length, 0)
  return { series, chunkReads, chunkBytes, indexReads: bucket.reads.length - chunkReads.length }
}

function dataBytes(series: readonly StoreSeries[]): number {
  return series.flatMap(({ chunks }) => chunks).reduce((sum, { raw }) => sum + raw!.data.length, 0)
}

test('one series: a read of postings, one of its entry, one of its chunks', async () => {
  const { series, chunkReads, chunkBytes, indexReads } = await measure(
    request({ type: '=', name: 'instance', value: '0500' }),
  )
  expect(series.map(({ chunks }) => chunks.length)).toEqual([4])
  expect(indexReads).toBeLessThanOrEqual(2)
  expect(chunkReads.length).toBe(1)
  // The last chunk's size is not in the index: that one is read with room.
  expect(chunkBytes).toBeLessThan(1.5 * dataBytes(series))
})

test('one chunk of a series: nothing of the others', async () => {
  const { series, chunkReads, chunkBytes } = await measure(
    request({ type: '=', name: 'instance', value: '0501' }, [0, 10_000]),
  )
  expect(series.map(({ chunks }) => chunks.length)).toEqual([1])
  expect(chunkReads.length).toBe(1)
  expect(chunkBytes).toBeLessThan(dataBytes(series) + 16)
})

test('every twentieth series: about what is needed, not what lies between', async () => {
  const { series, chunkReads, chunkBytes } = await measure(request({ type: '=', name: 'shard', value: '03' }))
  expect(series.length).toBe(seriesCount / 20)
  expect(chunkReads.length).toBe(series.length)
  expect(chunkBytes).toBeLessThan(1.5 * dataBytes(series))
})

test('every second of forty neighbours: small gaps are read over', async () => {
  const { series, chunkReads, chunkBytes } = await measure(
    request({ type: '=~', name: 'instance', value: '01[0-3][02468]' }),
  )
  expect(series.length).toBe(20)
  expect(chunkReads.length).toBe(1)
  expect(chunkBytes).toBeLessThan(2.2 * dataBytes(series))
})

test('all series: few reads, bounded in size', async () => {
  const { series, chunkReads, chunkBytes } = await measure(
    request({ type: '=', name: '__name__', value: 'requests_total' }),
  )
  expect(series.length).toBe(seriesCount)
  expect(chunkReads.length).toBeLessThan(10)
  for (const { length } of chunkReads) expect(length).toBeLessThanOrEqual(4 << 20)
  expect(chunkBytes).toBeLessThan(1.1 * chunkFileBytes)
})

test('asked again, the index is answered from the cache', async () => {
  const asked = request({ type: '=~', name: 'shard', value: '0[0-4]' })
  await measure(asked)
  bucket.reads.length = 0
  expect((await measure(asked)).indexReads).toBe(0)
})

test('without chunks no chunk is read', async () => {
  const asked = request({ type: '=', name: 'shard', value: '07' })
  const { series, chunkReads } = await measure({ ...asked, skipChunks: true })
  expect(series.length).toBe(seriesCount / 20)
  expect(chunkReads).toEqual([])
})

test('a limit ends the reading', async () => {
  const asked = request({ type: '=', name: '__name__', value: 'requests_total' })
  const { series, chunkBytes } = await measure({ ...asked, limit: 5 })
  expect(series.length).toBe(5)
  expect(chunkBytes).toBeLessThan(chunkFileBytes / 10)
})

test('a series without a sample in the range is left out', async () => {
  const { series } = await measure(request({ type: '=', name: 'shard', value: '07' }, [-hourMs, -1]))
  expect(series).toEqual([])
})

test('a reader that leaves early leaves nothing behind', async () => {
  const asked = request({ type: '=', name: '__name__', value: 'requests_total' })
  for await (const response of store.api.series(asked, new AbortController().signal)) {
    expect(response.kind).toBe('series')
    break
  }
  const after = bucket.reads.length
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(bucket.reads.length).toBe(after)
})

test('a request that is cancelled ends with it', async () => {
  const cancel = new AbortController()
  const stream = store.api.series(request({ type: '=', name: '__name__', value: 'requests_total' }), cancel.signal)
  const iterator = stream[Symbol.asyncIterator]()
  await iterator.next()
  cancel.abort()
  await expect(
    (async () => {
      while (!(await iterator.next()).done);
    })(),
  ).rejects.toMatchObject({ code: 'canceled' })
})
