// The compactor's disk failing at each call (full, or gone from then on): nothing of it is seen in the bucket's samples,
// the round says so, and the next one, on a disk that works, ends as an undisturbed one and leaves nothing behind.
import type * as realSyncFs from 'node:fs'
import * as realFs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { compactOnce, copyOf, crashScenarios, filledBucket } from '../../support/crash-scenarios.ts'
import { Faults, faultModes } from '../../support/faults.ts'
import { diskIsFull } from '../../support/faulty-disk.ts'
import { isNightly } from '../../support/nightly.ts'
import { openStoreReader } from '../../support/store-reader.ts'

const failing = vi.hoisted(() => ({ faults: undefined as Faults | undefined }))
vi.mock('node:fs/promises', async (importOriginal) => {
  const { faultyDisk } = await import('../../support/faulty-disk.ts')
  return faultyDisk(await importOriginal<typeof realFs>(), failing)
})
vi.mock('node:fs', async (importOriginal) => {
  const { faultyDiskNow } = await import('../../support/faulty-disk.ts')
  return faultyDiskNow(await importOriginal<typeof realSyncFs>(), failing)
})

let folder: string
beforeEach(async () => {
  folder = await realFs.mkdtemp(path.join(tmpdir(), 'crash-disk-'))
})
afterEach(() => realFs.rm(folder, { recursive: true }))

const timeoutMs = isNightly ? 1_800_000 : 180_000

describe.each(crashScenarios.slice(0, -1))('$name', (scenario) => {
  test.each(faultModes)(
    'each call to the disk in turn: %s',
    async (mode) => {
      const work = path.join(folder, 'work')
      const whole = await filledBucket(scenario)
      const undisturbed = await copyOf(whole)
      await compactOnce(undisturbed, scenario, work)
      const samplesOf = async (bucket: typeof whole, ignoreMarksAfterMs?: number) => {
        const reader = await openStoreReader(bucket, ignoreMarksAfterMs)
        const seen = [await reader.samples(scenario.replicaLabels), ignoreMarksAfterMs && (await reader.counted())]
        await reader.close()
        return seen
      }
      const [before, end] = [await samplesOf(whole), await samplesOf(undisturbed, -1)]
      // Between them, CI's three modes take every third call.
      const step = isNightly ? 1 : 3 * faultModes.length
      for (let n = isNightly ? 1 : 3 * faultModes.indexOf(mode) + 1; ; n += step) {
        const bucket = await copyOf(whole)
        const faults = new Faults(n, mode, diskIsFull)
        failing.faults = faults
        const error = await compactOnce(bucket, scenario, work)
        failing.faults = undefined
        const when = `after call ${n} (${mode}): ${error}`
        expect(await samplesOf(bucket), when).toEqual(before)
        await compactOnce(bucket, scenario, work)
        expect(await samplesOf(bucket, -1), `${when}, once more`).toEqual(end)
        expect(await realFs.readdir(work), when).toEqual([])
        if (!faults.reached) return
        if (mode === 'gone') expect(error, when).toBeDefined()
        expect(await marksOf(bucket), `${when}: no block is to blame`).toEqual(await marksOf(undisturbed))
      }
    },
    timeoutMs,
  )
})

/** Files of no-compact and no-downsample marks. */
async function marksOf(bucket: Awaited<ReturnType<typeof filledBucket>>): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of bucket.list('', { recursive: true })) if (name.includes('/no-')) names.push(name)
  return names
}
