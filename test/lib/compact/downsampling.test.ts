// Downsampling over a bucket: when a block is set aside, and when it is downsampled again. (compactor.test.ts: in its rounds.)
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { deleteBlock } from '../../../lib/blocks/delete.ts'
import { MetaFetcher } from '../../../lib/blocks/fetcher.ts'
import { readMark } from '../../../lib/blocks/markers.ts'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import { BlockChanges } from '../../../lib/compact/block-changes.ts'
import { checkBlock } from '../../../lib/compact/check-block.ts'
import { planDownsampling } from '../../../lib/compact/downsample-plan.ts'
import { Downsampling } from '../../../lib/compact/downsampling.ts'
import { compactMetrics } from '../../../lib/compact/metrics.ts'
import { Round } from '../../../lib/compact/round.ts'
import { runJob } from '../../../lib/compact/run-job.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { hourMs, twoHours } from '../../support/crash-scenarios.ts'
import { putMadeBlock } from '../../support/made-blocks.ts'

const signal = new AbortController().signal
let folder: string
let bucket: MemoryBucket
let raw: BlockMeta
let downsampling: Downsampling

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'downsampling-'))
  bucket = new MemoryBucket()
  raw = await putMadeBlock(bucket, twoHours(0, { maxTime: 48 * hourMs }))
  const common = { logger: createLogger({ level: 'silent' }), metrics: compactMetrics(createRegistry()) }
  const changes = new BlockChanges({
    ...common,
    bucket,
    workFolder: folder,
    check: (meta, checkSignal) => checkBlock(bucket, meta, checkSignal),
    now: Date.now,
  })
  downsampling = new Downsampling({ ...common, changes, runJob: runJob.bind(undefined, bucket), concurrency: 1 })
})
afterEach(() => rm(folder, { recursive: true }))

async function metas(): Promise<BlockMeta[]> {
  return [...(await new MetaFetcher({ bucket }).fetch()).metas.values()]
}

/** How many blocks were made; `seen`: the blocks in view, all unless told. */
async function run(seen?: readonly BlockMeta[], deleted: ReadonlySet<string> = new Set()): Promise<number> {
  const needs = planDownsampling(seen ?? (await metas()), {
    retention: { rawMs: 0, fiveMinutesMs: 0, oneHourMs: 0 },
    nowMs: Date.now(),
    noDownsample: new Set(),
    deleted,
  })
  return downsampling.run(needs, new Round(), signal)
}

/** Reads of the block's chunks come out wrong that many times. */
function spoilReads(times: number): void {
  const read = bucket.getRange.bind(bucket)
  let left = times
  bucket.getRange = async (name, ...args) => {
    const bytes = await read(name, ...args)
    if (left === 0 || name !== `${raw.ulid}/chunks/000001` || bytes.length < 50) return bytes
    left--
    const spoiled = Uint8Array.from(bytes)
    spoiled[40]! ^= 1
    return spoiled
  }
}

test.each([
  [1, 1],
  [Number.POSITIVE_INFINITY, 0],
])('reads that come out wrong %d times: %d blocks, and a mark only where there is none', async (times, made) => {
  spoilReads(times)
  expect(await run()).toBe(made)
  expect((await readMark(bucket, raw.ulid, 'no-downsample')) === undefined).toBe(made === 1)
})

test('what was made and is gone again is made again; where it is not seen yet, or never, it is made once', async () => {
  expect(await run()).toBe(1)
  for (let pass = 0; pass < 3; pass++) expect(await run([raw])).toBe(0)
  const [, made] = (await metas()).sort((a, b) => a.thanos.resolutionMs - b.thanos.resolutionMs)
  expect(await run()).toBe(0)
  await deleteBlock(bucket, made!.ulid)
  expect(await run()).toBe(1)
  expect(await run()).toBe(0)
})

test('what is to be deleted counts as seen: once it is gone, it is made again', async () => {
  expect(await run()).toBe(1)
  const [, made] = (await metas()).sort((a, b) => a.thanos.resolutionMs - b.thanos.resolutionMs)
  const deleted = new Set([made!.ulid])
  expect(await run(await metas(), deleted)).toBe(0)
  await deleteBlock(bucket, made!.ulid)
  expect(await run()).toBe(1)
})
