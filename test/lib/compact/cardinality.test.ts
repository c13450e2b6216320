// Counting what series are made of: the figures that promtool tsdb analyze gives, and over several blocks each series once.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseMeta } from '../../../lib/blocks/meta-parse.ts'
import { countCardinality } from '../../../lib/compact/cardinality.ts'
import type { Labels } from '../../../lib/labels/labels.ts'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { goldenPath } from '../../support/golden.ts'
import { putMadeBlock } from '../../support/made-blocks.ts'

const options = { isChosen: () => true, signal: new AbortController().signal }
const hourMs = 3_600_000

test('a block of Prometheus', async () => {
  const ulid = '01M81VCRDH86F0WF0CFPEZ0BKC'
  const file = goldenPath('bucket', ulid, 'meta.json')
  const meta = parseMeta(readFileSync(file), file)
  const counted = await countCardinality(new FilesystemBucket(goldenPath('bucket')), [meta], options)
  expect(counted.total).toMatchObject({ series: 31, chunkBytes: 20_209 - 8 })
  expect(counted.labels.size).toBe(8)
  expect([...counted.labels.values()].reduce((sum, values) => sum + values.size, 0)).toBe(36)
  expect(counted.metrics.get('g_utf8')?.series).toBe(8)
  expect(counted.metrics.get('g_length')).toMatchObject({ series: 7, churn: expect.closeTo(4.67, 2) })
  expect([...counted.labels.get('v')!.keys()].reduce((sum, value) => sum + Buffer.byteLength(value), 0)).toBe(45)
})

async function bucketOfThree() {
  const bucket = new MemoryBucket()
  const series = (labels: Labels, startMs: number) => ({
    labels,
    samples: Array.from({ length: 100 }, (_, i): [number, number] => [startMs + i * 36_000, i]),
  })
  const [up, down] = [
    ['__name__', 'up', 'job', 'a'],
    ['__name__', 'up', 'job', 'b'],
  ]
  const put = (minTime: number, labels: readonly Labels[], replica = 'a') =>
    putMadeBlock(bucket, {
      minTime,
      maxTime: minTime + hourMs,
      series: labels.map((one) => series(one, minTime)),
      externalLabels: ['replica', replica],
    })
  const metas = [await put(0, [up!, down!]), await put(hourMs, [up!]), await put(0, [up!], 'b')]
  return { bucket, metas }
}

test('a series of two blocks counts once; one of another replica is another one', async () => {
  const { bucket, metas } = await bucketOfThree()
  const counted = await countCardinality(bucket, metas, options)
  expect(counted.range).toEqual([0, 2 * hourMs])
  expect(counted.metrics.get('up')?.series).toBe(3)
  const jobs = counted.labels.get('job')!
  expect(jobs.get('a')?.series).toBe(2)
  // Both hours, less the scrape interval at the end; and one hour of two.
  expect(jobs.get('a')?.churn).toBeCloseTo(0.005 + 0.505)
  expect(jobs.get('b')).toMatchObject({ series: 1, churn: expect.closeTo(0.505) })
  expect(counted.total.chunkBytes).toBe(
    metas.reduce(
      (sum, { thanos }) => sum + thanos.files.find(({ relPath }) => relPath === 'chunks/000001')!.sizeBytes! - 8,
      0,
    ),
  )
  const chosen = await countCardinality(bucket, metas, { ...options, isChosen: (labels) => labels.includes('b') })
  expect(chosen.total.series).toBe(1)
})

test('a block that cannot be read is named, the others are counted', async () => {
  const { bucket, metas } = await bucketOfThree()
  const name = `${metas[2]!.ulid}/index`
  const index = await bucket.getRange(name, 0, 1e6)
  await bucket.upload(name, index.fill(0xff, 10, 30))
  const counted = await countCardinality(bucket, metas, options)
  expect(counted.failures).toEqual([expect.stringContaining(`block ${metas[2]!.ulid}: cannot read symbols`)])
  expect(counted.total.series).toBe(2)
})
