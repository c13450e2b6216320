// --store.grpc.downloaded-bytes-limit: a call that would read more of the bucket ends with resource_exhausted.
// Subject: lib/store/series-server.ts with read-stats.ts. Owns nothing.
import { expect, test } from 'vitest'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import type { SeriesRequest } from '../../../lib/storeapi/types.ts'
import { CountingBucket } from '../../support/counting-bucket.ts'
import { putMadeBlock } from '../../support/made-blocks.ts'
import { collectSeries, openTestStore } from '../../support/test-store.ts'

const request: SeriesRequest = {
  minTime: 0,
  maxTime: 100,
  matchers: [{ type: '=', name: '__name__', value: 'up' }],
}
const series = Array.from({ length: 2000 }, (_, i) => ({
  labels: ['__name__', 'up', 'instance', String(i).padStart(4, '0')],
  samples: [[0, 1] as const, [50, 2] as const],
}))

async function openStore(maxDownloadedBytes: number) {
  const bucket = new CountingBucket(new MemoryBucket())
  await putMadeBlock(bucket, { minTime: 0, maxTime: 100, series })
  const store = await openTestStore(bucket, { maxDownloadedBytes })
  let bytes = 0
  bucket.beforeRead = ({ length }) => {
    bytes += length
  }
  return { store, readBytes: () => bytes }
}

test('within the limit everything is answered', async () => {
  const { store } = await openStore(10 << 20)
  expect((await collectSeries(store.api, request)).series).toHaveLength(2000)
  await store.close()
})

test.each([1, 20_000])('%i bytes: the call fails, names the flag, and reads no more than that', async (limit) => {
  const { store, readBytes } = await openStore(limit)
  const want = {
    code: 'resource_exhausted',
    cause: expect.objectContaining({ message: expect.stringContaining('--store.grpc.downloaded-bytes-limit') }),
  }
  await expect(collectSeries(store.api, request)).rejects.toMatchObject(want)
  await expect(store.api.labelValues('instance', request, new AbortController().signal)).rejects.toMatchObject(want)
  expect(readBytes()).toBeLessThanOrEqual(2 * limit)
  const metric = await store.registry.getSingleMetricAsString('thanos_bucket_store_queries_dropped_total')
  expect(metric).toContain('{reason="bytes"} 2')
  await store.close()
})
