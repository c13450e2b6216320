// Chunk segments are uploaded while their block is still being written, and gone from the disk then: the block is the same.
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { MetaFetcher } from '../../../lib/blocks/fetcher.ts'
import type { CompactorJob } from '../../../lib/compact/job.ts'
import { runJob } from '../../../lib/compact/run-job.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import type { Bucket } from '../../../lib/objstore/bucket.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { twoHours } from '../../support/crash-scenarios.ts'
import { putMadeBlock, viewOf } from '../../support/made-blocks.ts'
import { compactorOver } from '../../support/test-compactor.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'early-upload-'))
})
afterEach(() => rm(folder, { recursive: true }))

const signal = new AbortController().signal

async function filled(): Promise<MemoryBucket> {
  const bucket = new MemoryBucket()
  for (const hour of [0, 2, 4, 6, 8]) await putMadeBlock(bucket, twoHours(hour))
  return bucket
}

/** Cuts segments at a few hundred bytes; notes how many segments were on the disk at once. */
function compacting(bucket: Bucket, changes: { hashFunc?: 'SHA256'; seen?: (segments: number) => void } = {}) {
  const small = async (job: CompactorJob, jobSignal: AbortSignal) => {
    if (job.kind === 'check') return runJob(bucket, job, jobSignal)
    const outcome = await runJob(bucket, { ...job, segmentBytes: 300 }, jobSignal)
    if (outcome.kind === 'whole') changes.seen?.((await readdir(path.join(job.folder, 'chunks'))).length)
    return outcome
  }
  const upload = { hashFunc: changes.hashFunc ?? ('' as const) }
  return compactorOver(bucket, { workFolder: path.join(folder, 'work'), runJob: small, upload })
}

async function mergedMeta(bucket: Bucket) {
  const { metas } = await new MetaFetcher({ bucket }).fetch()
  return [...metas.values()].find(({ compaction }) => compaction.level === 2)!
}

test('the last segment alone is on the disk in the end; all are in the bucket, with their sizes and hashes', async () => {
  const bucket = await filled()
  const before = await viewOf(bucket)
  const seen: number[] = []
  expect(
    (await compacting(bucket, { hashFunc: 'SHA256', seen: (n) => seen.push(n) }).run(signal)).error,
  ).toBeUndefined()
  expect(seen).toEqual([1])
  expect(await viewOf(bucket, -1)).toEqual(before)
  const { thanos } = await mergedMeta(bucket)
  expect(thanos.segmentFiles.length).toBeGreaterThan(2)
  expect(thanos.segmentFiles).toEqual(thanos.segmentFiles.toSorted())
  for (const { relPath, hash } of thanos.files)
    if (relPath !== 'meta.json') expect(hash?.value, relPath).toMatch(/^[0-9a-f]{64}$/)
})

test('where the block cannot be finished, its segments are taken back', async () => {
  for (const failing of ['chunks/000003', 'index']) {
    const bucket = await filled()
    const before = await viewOf(bucket)
    const upload = bucket.upload.bind(bucket)
    bucket.upload = async (name, ...args) => {
      if (name.endsWith(failing)) throw new MnemoError('unavailable', 'cannot upload: the bucket is full')
      return upload(name, ...args)
    }
    expect((await compacting(bucket).run(signal)).error).toMatchObject({ code: 'unavailable' })
    bucket.upload = upload
    const { metas, partial } = await new MetaFetcher({ bucket }).fetch()
    expect([metas.size, partial.size], failing).toEqual([5, 0])
    await compacting(bucket).run(signal)
    expect(await viewOf(bucket, -1)).toEqual(before)
  }
})
