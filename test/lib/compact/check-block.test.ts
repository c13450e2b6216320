// A block of many segments is read from end to end: a header of each at first, then every byte once, whatever the number of segments.
// Subject: openInputBlock() and checkBlock(), which read as a compaction does. What they find wrong is in hostile-blocks.test.ts.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { MetaFetcher } from '../../../lib/blocks/fetcher.ts'
import { checkBlock } from '../../../lib/compact/check-block.ts'
import { openInputBlock } from '../../../lib/compact/input-block.ts'
import { runJob } from '../../../lib/compact/run-job.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { segmentHeaderBytes } from '../../../lib/tsdb/chunk-format.ts'
import { CountingBucket } from '../../support/counting-bucket.ts'
import { twoHours } from '../../support/crash-scenarios.ts'
import { putMadeBlock } from '../../support/made-blocks.ts'
import { compactorOver } from '../../support/test-compactor.ts'

const signal = new AbortController().signal

test('headers alone at the start, then each segment once', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'mnemo-check-block-'))
  try {
    const bucket = new MemoryBucket()
    for (const hour of [0, 2, 4, 6, 8]) await putMadeBlock(bucket, twoHours(hour))
    await compactorOver(bucket, {
      workFolder: path.join(folder, 'work'),
      runJob: (job, jobSignal) => runJob(bucket, job.kind === 'check' ? job : { ...job, segmentBytes: 300 }, jobSignal),
    }).run(signal)
    const { metas } = await new MetaFetcher({ bucket }).fetch()
    const meta = [...metas.values()].find(({ compaction }) => compaction.level === 2)!
    const segments = meta.thanos.files.filter(({ relPath }) => relPath.startsWith('chunks/'))
    expect(segments.length).toBeGreaterThan(2)

    const counting = new CountingBucket(bucket)
    const chunkReads = () => counting.reads.filter(({ name }) => name.includes('/chunks/'))
    const block = await openInputBlock(counting, meta, signal)
    expect(chunkReads()).toHaveLength(segments.length)
    for (const { offset, length } of chunkReads()) expect([offset, length]).toEqual([0, segmentHeaderBytes])
    block.close()

    counting.reads.length = 0
    await checkBlock(counting, meta, signal)
    for (const { relPath, sizeBytes } of segments) {
      const reads = chunkReads().filter(({ name }) => name.endsWith(relPath))
      expect(reads.map(({ offset, length }) => [offset, Math.min(length, sizeBytes! - offset)])).toEqual([
        [0, segmentHeaderBytes],
        [segmentHeaderBytes, sizeBytes! - segmentHeaderBytes],
      ])
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})
