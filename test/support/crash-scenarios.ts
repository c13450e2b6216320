// Small buckets and the work that a compactor does on each: what the tests of crash points go over, call by call.
// Owns the buckets' contents and the clock of each scenario.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { MetaFetcher } from '../../lib/blocks/fetcher.ts'
import { deduplicateFilter } from '../../lib/blocks/filters.ts'
import { putMark } from '../../lib/blocks/markers.ts'
import { uploadBlock } from '../../lib/blocks/upload.ts'
import { fileRandomAccess } from '../../lib/bytes/random-access.ts'
import { labelsOf } from '../../lib/labels/labels.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { MemoryBucket } from '../../lib/objstore/memory.ts'
import { IndexReader } from '../../lib/tsdb/index-reader.ts'
import { tombstonesFile, writeTombstones } from '../../lib/tsdb/tombstones.ts'
import { type MadeBlock, putMadeBlock, writeMadeBlock } from './made-blocks.ts'
import { compactorOver, type TestCompactorOptions } from './test-compactor.ts'

export const hourMs = 3_600_000

export interface CrashScenario {
  readonly name: string
  fill(bucket: Bucket): Promise<void>
  readonly options: Omit<TestCompactorOptions, 'workFolder'>
  /** Samples are read deduplicated along these; without them, until the replicas are merged, each is there twice. */
  readonly replicaLabels?: readonly string[]
  /** Raw samples that are there in the end: all of them, or, where some expire, fewer. */
  readonly raw: 'stays' | 'expires'
}

/** Two hours of three series, a sample every two minutes. */
export function twoHours(hour: number, changes: Partial<MadeBlock> = {}): MadeBlock {
  const minTime = hour * hourMs
  const samples = Array.from({ length: 60 }, (_, i) => [minTime + i * 120_000, hour * 1000 + i] as const)
  const series = [
    { labels: labelsOf({ __name__: 'always', job: 'x' }), samples },
    { labels: labelsOf({ __name__: 'always', job: 'x', pod: `p${hour}` }), samples: samples.slice(10, 20) },
    { labels: labelsOf({ __name__: 'seldom' }), samples: samples.slice(-3) },
  ]
  return { minTime, maxTime: minTime + 2 * hourMs, series, ...changes }
}

async function fill(bucket: Bucket, hours: readonly number[], changes: Partial<MadeBlock> = {}): Promise<void> {
  for (const hour of hours) await putMadeBlock(bucket, twoHours(hour, changes))
}

/** Two days ago: marks that are put now are young for a store's clock, too. */
const oldHour = Math.floor((Date.now() / hourMs - 54) / 8) * 8

const replicas = [
  ['cluster', 'x', 'replica', 'a'],
  ['cluster', 'x', 'replica', 'b'],
]
const fillReplicas = async (bucket: Bucket) => {
  for (const externalLabels of replicas) await fill(bucket, [0], { externalLabels })
}

/** A block whose first series has lost its first ten samples. */
export async function putTombstoned(bucket: Bucket, block: MadeBlock): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tombstoned-'))
  try {
    const meta = await writeMadeBlock(folder, block)
    const own = path.join(folder, meta.ulid)
    const file = await fileRandomAccess(path.join(own, 'index'))
    const [first] = await (await IndexReader.open(file)).allPostings()
    await file.close()
    const { minTime } = block
    await writeTombstones(
      path.join(own, tombstonesFile),
      new Map([[first!, [{ minTime, maxTime: minTime + 1_080_000 }]]]),
    )
    await uploadBlock(bucket, own, { ...meta, stats: { ...meta.stats, numTombstones: 1 } })
  } finally {
    await rm(folder, { recursive: true })
  }
}

export const crashScenarios: readonly CrashScenario[] = [
  {
    name: 'compaction, of a range with an overlap in it',
    async fill(bucket) {
      await fill(bucket, [0, 2, 4, 8, 16])
      await putMadeBlock(bucket, twoHours(2, { series: [twoHours(2).series[1]!] }))
    },
    options: {},
    raw: 'stays',
  },
  {
    name: 'deduplication of replicas, one-to-one',
    fill: fillReplicas,
    options: { replicaLabels: ['replica'] },
    replicaLabels: ['replica'],
    raw: 'stays',
  },
  {
    name: 'deduplication of replicas, by penalty',
    fill: fillReplicas,
    options: { replicaLabels: ['replica'], overlap: 'penalty' },
    replicaLabels: ['replica'],
    raw: 'stays',
  },
  {
    name: 'downsampling of a long block, to 5 minutes and to an hour',
    fill: (bucket) => fill(bucket, [0], { maxTime: 14 * 24 * hourMs }),
    options: {},
    raw: 'stays',
  },
  {
    name: 'rewriting of a block of which much is deleted',
    async fill(bucket) {
      await putTombstoned(bucket, twoHours(0))
      await fill(bucket, [10])
    },
    options: {},
    raw: 'stays',
  },
  {
    name: 'retention of blocks that are downsampled first',
    fill: (bucket) => fill(bucket, [oldHour, oldHour + 2]),
    options: { retention: { rawMs: 40 * hourMs, fiveMinutesMs: 0, oneHourMs: 0 } },
    raw: 'expires',
  },
  {
    name: 'cleaning: expired, marked long ago, never finished',
    async fill(bucket) {
      await fill(bucket, [0, 100, 200])
      const { metas } = await new MetaFetcher({ bucket, filters: [deduplicateFilter()] }).fetch()
      const [expiring, marked, partial] = [...metas.values()].sort((a, b) => a.minTime - b.minTime)
      await putMark(bucket, expiring!.ulid, 'no-compact')
      await putMark(bucket, marked!.ulid, 'deletion', { nowMs: Date.now() - 50 * hourMs })
      await bucket.delete(`${partial!.ulid}/meta.json`)
    },
    options: {
      downsampling: false,
      nowMs: Date.now() + 49 * hourMs,
      retention: { rawMs: hourMs, fiveMinutesMs: 0, oneHourMs: 0 },
    },
    raw: 'expires',
  },
]

/** A bucket of its own with the scenario's blocks: the same in each copy. */
export async function filledBucket(scenario: CrashScenario): Promise<MemoryBucket> {
  const bucket = new MemoryBucket()
  await scenario.fill(bucket)
  return bucket
}

export async function copyOf(bucket: Bucket): Promise<MemoryBucket> {
  const copy = new MemoryBucket()
  for await (const { name, sizeBytes } of bucket.list('', { recursive: true }))
    await copy.upload(name, await bucket.getRange(name, 0, sizeBytes!))
  return copy
}

/** One round; what failed is told, not thrown. */
export async function compactOnce(bucket: Bucket, { options }: CrashScenario, workFolder: string): Promise<unknown> {
  try {
    return (await compactorOver(bucket, { ...options, workFolder }).run(new AbortController().signal)).error
  } catch (error) {
    return error
  }
}
