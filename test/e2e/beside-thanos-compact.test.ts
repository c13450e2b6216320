// Our compactor and Thanos's on one bucket, one after the other: each works on what the other left, Thanos's verify finds
// nothing wrong with what ours made, and a store sees every sample once throughout. Needs `thanos` on the PATH.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MetaFetcher } from '../../lib/blocks/fetcher.ts'
import { ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import { FilesystemBucket } from '../../lib/objstore/filesystem.ts'
import { bucketFlag, startMnemo } from '../support/cluster.ts'
import { hourMs, putTombstoned, twoHours } from '../support/crash-scenarios.ts'
import { putMadeBlock } from '../support/made-blocks.ts'
import { TestProcess } from '../support/process.ts'
import { whyNoPrometheus } from '../support/prometheus.ts'
import { openStoreReader } from '../support/store-reader.ts'

const reason = whyNoPrometheus("the compactor beside Thanos's", ['thanos'])
if (reason !== undefined) console.log(reason)

describe.skipIf(reason !== undefined)("one bucket, our compactor and Thanos's", () => {
  let folder: string
  let bucket: FilesystemBucket
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'beside-thanos-'))
    bucket = new FilesystemBucket(path.join(folder, 'bucket'))
    for (const hour of [0, 2, 4, 6, 8, 10, 16, 24]) await putMadeBlock(bucket, twoHours(hour))
    await putMadeBlock(bucket, twoHours(100, { maxTime: 148 * hourMs }))
    await putMadeBlock(bucket, twoHours(400))
  })
  afterEach(() => rm(folder, { recursive: true }))

  const common = () => [bucketFlag(path.join(folder, 'bucket')), '--http-address=127.0.0.1:0', '--consistency-delay=0s']

  async function ended(process: TestProcess): Promise<string> {
    expect(await process.waitForExit(60_000), process.output).toBe(0)
    return process.output
  }

  const runs = {
    mnemo: async () => ended(await startMnemo(['compact', ...common(), `--data-dir=${path.join(folder, 'mnemo')}`])),
    thanos: async () => {
      const args = ['compact', ...common(), `--data-dir=${path.join(folder, 'thanos')}`]
      return ended(await TestProcess.start({ command: 'thanos', args }))
    },
  }

  /** Thanos's verify over the blocks that are not marked; what it warns of. */
  async function verify(): Promise<string[]> {
    const args = ['tools', 'bucket', 'verify', bucketFlag(path.join(folder, 'bucket'))]
    const output = await ended(await TestProcess.start({ command: 'thanos', args }))
    return output.split('\n').filter((line) => /level=(?:warn|error)/.test(line))
  }

  async function look() {
    const reader = await openStoreReader(bucket)
    const seen = await reader.samples()
    await reader.close()
    return seen
  }

  /** Times in hours, resolution and number of sources of what is not marked. */
  async function layout() {
    const { metas } = await new MetaFetcher({ bucket, filters: [ignoreDeletionMarkFilter(-1, { bucket })] }).fetch()
    return [...metas.values()]
      .map(({ minTime, maxTime, thanos, compaction }) =>
        [minTime / hourMs, maxTime / hourMs, thanos.resolutionMs, compaction.sources.length].join(' '),
      )
      .sort()
  }

  test.each([
    ['mnemo', 'thanos'],
    ['thanos', 'mnemo'],
  ] as const)(
    '%s first, then %s: the second finds nothing left to do',
    async (first, second) => {
      const before = await look()
      await runs[first]()
      expect(await look()).toEqual(before)
      const after = await layout()
      expect(after).toContain('0 26 0 8')
      expect(after).toContain('100 148 300000 1')
      await runs[second]()
      expect(await look()).toEqual(before)
      expect(await layout()).toEqual(after)
      expect(await verify()).toEqual([])
    },
    180_000,
  )

  test('mnemo, then thanos: a block that was rewritten without what is deleted stays, the old one goes', async () => {
    await putTombstoned(bucket, twoHours(200, { maxTime: 240 * hourMs }))
    const before = await look()
    await runs.mnemo()
    const after = await layout()
    expect(after).toContain('200 240 0 1')
    await runs.thanos()
    expect(await layout()).toEqual(after)
    expect(await look()).toEqual(before)
  }, 180_000)
})
