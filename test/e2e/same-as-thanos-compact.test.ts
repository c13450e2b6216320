// Random buckets, compacted by our compactor and by Thanos's, each on its own copy: the same blocks with the same metas, and
// in them the same bytes; where histograms overlap, which the two cut into chunks at other places, the same samples.
// SEED in the environment repeats a run. Needs `thanos` on the PATH.
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MetaFetcher } from '../../lib/blocks/fetcher.ts'
import { ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import { createKernels } from '../../lib/kernels/instance.ts'
import { formatLabels } from '../../lib/labels/labels.ts'
import { FilesystemBucket } from '../../lib/objstore/filesystem.ts'
import { decodeMixed } from '../../lib/tsdb/overlap-mixed.ts'
import { bucketFlag, startMnemo } from '../support/cluster.ts'
import { loadBlock } from '../support/local-block.ts'
import { TestProcess } from '../support/process.ts'
import { whyNoPrometheus } from '../support/prometheus.ts'
import { Random, seed } from '../support/random.ts'
import { putRandomBucket, type RandomBucketOptions } from '../support/random-bucket.ts'

const reason = whyNoPrometheus('compaction of random buckets as Thanos does it', ['thanos'])
if (reason !== undefined) console.log(reason)

const kernels = createKernels()
const replicas = '--deduplication.replica-label=replica'

const cases: readonly {
  readonly name: string
  readonly options: RandomBucketOptions
  readonly flags?: readonly string[]
  readonly thanosFlags?: readonly string[]
}[] = [
  { name: 'groups without overlaps', options: { histograms: true } },
  { name: 'overlapping blocks', options: { overlaps: true }, thanosFlags: ['--compact.enable-vertical-compaction'] },
  { name: 'replicas, one-to-one', options: { replicas: true, histograms: true }, flags: [replicas] },
  {
    name: 'replicas, by penalty',
    options: { replicas: true, histograms: true },
    flags: [replicas, '--deduplication.func=penalty'],
  },
]

describe.skipIf(reason !== undefined)(`the same as Thanos's compactor (SEED=${seed})`, () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'same-as-thanos-compact-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  async function compact(who: 'mnemo' | 'thanos', flags: readonly string[]): Promise<void> {
    const bucket = path.join(folder, who)
    await cp(path.join(folder, 'bucket'), bucket, { recursive: true })
    const args = ['compact', bucketFlag(bucket), '--http-address=127.0.0.1:0', '--consistency-delay=0s', ...flags]
    args.push(`--data-dir=${path.join(folder, `${who}-data`)}`)
    const process = who === 'mnemo' ? await startMnemo(args) : await TestProcess.start({ command: 'thanos', args })
    expect([await process.waitForExit(120_000), process.output]).toEqual([0, expect.any(String)])
  }

  /** The blocks that are not marked, by what they are of. */
  async function blocksOf(who: 'mnemo' | 'thanos'): Promise<Map<string, BlockMeta>> {
    const bucket = new FilesystemBucket(path.join(folder, who))
    const { metas } = await new MetaFetcher({ bucket, filters: [ignoreDeletionMarkFilter(-1, { bucket })] }).fetch()
    const key = ({ thanos, compaction, minTime, maxTime }: BlockMeta) =>
      [
        formatLabels(thanos.labels),
        thanos.resolutionMs,
        minTime,
        maxTime,
        compaction.level,
        ...compaction.sources,
      ].join()
    return new Map([...metas.values()].map((meta) => [key(meta), meta]))
  }

  async function filesOf(who: 'mnemo' | 'thanos', { ulid, thanos }: BlockMeta): Promise<string[]> {
    const names = thanos.files.map(({ relPath }) => relPath).filter((name) => name !== 'meta.json')
    const read = async (name: string) =>
      `${name} ${(await readFile(path.join(folder, who, ulid, name))).toString('hex')}`
    return Promise.all(names.sort().map(read))
  }

  async function samplesOf(who: 'mnemo' | 'thanos', { ulid }: BlockMeta): Promise<string[]> {
    const series = await loadBlock(path.join(folder, who, ulid))
    const text = (_key: string, value: unknown) =>
      typeof value === 'bigint' ? value.toString(16) : ArrayBuffer.isView(value) ? [...(value as Float64Array)] : value
    const line = (sample: object) => {
      const { histogram, ...rest } = sample as { histogram?: object }
      return JSON.stringify({ ...rest, ...(histogram && { ...histogram, counterResetHint: '' }) }, text)
    }
    return series.flatMap(({ labels, chunks }) => [
      formatLabels(labels),
      ...chunks.flatMap((chunk) => decodeMixed(chunk, kernels).map(line)),
    ])
  }

  test.each(cases)('$name', { timeout: 300_000 }, async ({ options, flags = [], thanosFlags = [] }) => {
    const random = new Random(seed)
    await putRandomBucket(new FilesystemBucket(path.join(folder, 'bucket')), random, options)
    await compact('mnemo', flags)
    await compact('thanos', [...flags, ...thanosFlags])
    const [ours, theirs] = [await blocksOf('mnemo'), await blocksOf('thanos')]
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort())
    for (const [key, meta] of ours) {
      const other = theirs.get(key)!
      const { numChunks, ...stats } = meta.stats
      const { numChunks: otherChunks, ...otherStats } = other.stats
      expect(stats, key).toEqual(otherStats)
      expect(meta.thanos.source, key).toBe(other.thanos.source)
      expect((meta.compaction.parents ?? []).length, key).toBe((other.compaction.parents ?? []).length)
      const files = await filesOf('mnemo', meta)
      const isSame = JSON.stringify(files) === JSON.stringify(await filesOf('thanos', other))
      if (isSame) {
        expect(numChunks, key).toBe(otherChunks)
        // Downsampled blocks of too few chunks keep the raw block's sizes at Thanos.
        const { chunkMaxSize } = meta.thanos.indexStats
        if (meta.thanos.resolutionMs === 0 || chunkMaxSize)
          expect(meta.thanos.indexStats, key).toEqual(other.thanos.indexStats)
        continue
      }
      expect([options.histograms, options.replicas, meta.thanos.resolutionMs], key).toEqual([true, true, 0])
      expect(numChunks, key).toBeLessThanOrEqual(otherChunks)
      expect(await samplesOf('mnemo', meta), key).toEqual(await samplesOf('thanos', other))
    }
  })
})
