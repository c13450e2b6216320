// The forecast of a bucket holds against what the compactor then does: as many merges, of as many blocks, and nothing left.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { MetaFetcher } from '../../../lib/blocks/fetcher.ts'
import { deduplicateFilter } from '../../../lib/blocks/filters.ts'
import { gatherMarksFilter, ignoreDeletionMarkFilter } from '../../../lib/blocks/mark-filters.ts'
import { putMark } from '../../../lib/blocks/markers.ts'
import { readView } from '../../../lib/compact/block-sync.ts'
import { type ForecastOptions, forecast } from '../../../lib/compact/forecast.ts'
import { compactMetrics } from '../../../lib/compact/metrics.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import type { Bucket } from '../../../lib/objstore/bucket.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { hourMs, twoHours } from '../../support/crash-scenarios.ts'
import { putMadeBlock } from '../../support/made-blocks.ts'
import { compactorOver } from '../../support/test-compactor.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'forecast-'))
})
afterEach(() => rm(folder, { recursive: true }))

const options: ForecastOptions = {
  rangesMs: [1, 2, 8].map((hours) => hours * hourMs),
  maxIndexBytes: 2 ** 36,
  retention: { rawMs: 0, fiveMinutesMs: 0, oneHourMs: 0 },
  downsampling: true,
  deleteDelayMs: 48 * hourMs,
  nowMs: Date.now(),
}

async function forecastOf(bucket: Bucket, changes: Partial<ForecastOptions> = {}) {
  const deletionMarks = ignoreDeletionMarkFilter(24 * hourMs, { bucket })
  const duplicates = deduplicateFilter(() => deletionMarks.marks)
  const noCompactMarks = gatherMarksFilter('no-compact', { bucket })
  const noDownsampleMarks = gatherMarksFilter('no-downsample', { bucket })
  const filters = [deletionMarks, duplicates, noCompactMarks, noDownsampleMarks]
  const sources = {
    fetcher: new MetaFetcher({ bucket, filters }),
    deletionMarks,
    duplicates,
    noCompactMarks,
    noDownsampleMarks,
  }
  return forecast(await readView(sources, new AbortController().signal), { ...options, ...changes })
}

test('compactions: as many as the compactor makes, each input at its size', async () => {
  const bucket = new MemoryBucket()
  const metas = await Promise.all(
    [0, 2, 4, 6, 8, 8, 16, 18, 30, 40].map((hour) => putMadeBlock(bucket, twoHours(hour))),
  )
  const before = await forecastOf(bucket)
  expect(before.compactions.map(({ reason, inputs }) => [reason, inputs.length])).toEqual([
    ['overlap', 2],
    ['range', 4],
    ['range', 2],
  ])
  const bytes = (wanted: readonly number[]) =>
    wanted.reduce((sum, i) => sum + metas[i]!.thanos.files.reduce((all, { sizeBytes = 0 }) => all + sizeBytes, 0), 0)
  expect(before.compactions[1]!.estimatedBytes).toBe(bytes([0, 1, 2, 3]))
  const metrics = compactMetrics(createRegistry())
  await compactorOver(bucket, { workFolder: folder, metrics }).run(new AbortController().signal)
  const made = (await metrics.compactions.get()).values.find(({ labels }) => labels.resolution === '0')
  expect(made?.value).toBe(before.compactions.length)
  expect((await forecastOf(bucket)).compactions).toEqual([])
})

test('a merge of what is itself still to be merged', async () => {
  const bucket = new MemoryBucket()
  for (const hour of [0, 2, 8, 10, 30, 40]) await putMadeBlock(bucket, twoHours(hour))
  const { compactions } = await forecastOf(bucket, { rangesMs: [2, 4, 16].map((hours) => hours * hourMs) })
  expect(compactions.map(({ inputs }) => inputs.map(({ ulid }) => ulid === undefined))).toEqual([
    [false, false],
    [false, false],
    [true, true],
  ])
  expect(compactions[2]!.estimatedBytes).toBe(compactions[0]!.estimatedBytes + compactions[1]!.estimatedBytes)
})

test('downsampling, retention, duplicates, deletion and what is set aside', async () => {
  const bucket = new MemoryBucket()
  const [long, expired, marked, partial] = [
    await putMadeBlock(bucket, twoHours(1000, { maxTime: 1048 * hourMs })),
    await putMadeBlock(bucket, twoHours(0)),
    await putMadeBlock(bucket, twoHours(1200)),
    await putMadeBlock(bucket, twoHours(1300)),
  ]
  await putMark(bucket, expired.ulid, 'no-downsample')
  await putMark(bucket, marked.ulid, 'deletion', { nowMs: 1 })
  await bucket.delete(`${partial.ulid}/meta.json`)
  const plan = await forecastOf(bucket, {
    nowMs: Date.now() + 49 * hourMs,
    retention: { rawMs: Date.now() - 500 * hourMs, fiveMinutesMs: 0, oneHourMs: 0 },
  })
  expect(plan.downsamplings.map(({ meta, resolutionMs }) => [meta.ulid, resolutionMs])).toEqual([[long.ulid, 300_000]])
  expect(plan.deletionMarks.map(({ meta }) => meta.ulid)).toEqual([expired.ulid])
  expect(plan.deletions).toEqual([
    { ulid: marked.ulid, reason: 'marked' },
    { ulid: partial.ulid, reason: 'partial' },
  ])
  const small = await forecastOf(bucket, { maxIndexBytes: 1 })
  expect(small.setAside).toEqual([])
})
