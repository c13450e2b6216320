// The compactor failing at each call to its bucket: at every moment a store and a querier see the samples that they saw
// before, no fewer and none twice, whether they have synced or not; and a second run ends as an undisturbed one.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Bucket } from '../../../lib/objstore/bucket.ts'
import { type CrashScenario, compactOnce, copyOf, crashScenarios, filledBucket } from '../../support/crash-scenarios.ts'
import { bucketIsGone, Faults, faultModes, faultyBucket } from '../../support/faults.ts'
import { isNightly } from '../../support/nightly.ts'
import { openStoreReader, type StoreReader } from '../../support/store-reader.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'crash-points-'))
})
afterEach(() => rm(folder, { recursive: true }))

interface Seen {
  readonly samples: readonly string[]
  readonly counted: number
}

async function look(reader: StoreReader, { replicaLabels = [] }: CrashScenario): Promise<Seen> {
  return { samples: await reader.samples(replicaLabels), counted: await reader.counted() }
}

async function lookAt(bucket: Bucket, scenario: CrashScenario, ignoreMarksAfterMs?: number): Promise<Seen> {
  const reader = await openStoreReader(bucket, ignoreMarksAfterMs)
  try {
    return await look(reader, scenario)
  } finally {
    await reader.close()
  }
}

/** All samples at any moment; replicas that are merged are one label set or two, never both. */
function expectWhole(seen: Seen, { before, after }: { before: Seen; after: Seen }, when: string): void {
  expect(seen.samples, when).toEqual(before.samples)
  expect([before.counted, after.counted], when).toContain(seen.counted)
}

const timeoutMs = isNightly ? 1_800_000 : 180_000

describe.each(crashScenarios)('$name', (scenario) => {
  test.each(faultModes)(
    'each call to the bucket in turn: %s',
    async (mode) => {
      const whole = await filledBucket(scenario)
      const undisturbed = await copyOf(whole)
      const before = await lookAt(whole, scenario)
      expect(before.counted).toBeGreaterThan(0)
      await compactOnce(undisturbed, scenario, path.join(folder, 'undisturbed'))
      // What is seen while marks are not heeded yet, and once they are.
      const within = { before, after: await lookAt(undisturbed, scenario) }
      const end = await lookAt(undisturbed, scenario, -1)
      if (scenario.raw === 'stays') expect(end.samples).toEqual(before.samples)
      if (scenario.raw === 'stays') expect(end.counted * (scenario.replicaLabels ? 2 : 1)).toBe(before.counted)

      // Between them, CI's three modes take every call.
      const step = isNightly ? 1 : faultModes.length
      for (let n = isNightly ? 1 : faultModes.indexOf(mode) + 1; ; n += step) {
        const bucket = await copyOf(whole)
        const early = await openStoreReader(bucket)
        const faults = new Faults(n, mode, bucketIsGone)
        const error = await compactOnce(faultyBucket(bucket, faults), scenario, path.join(folder, 'work'))
        const when = `after call ${n} (${mode}): ${error}`
        expect(await look(early, scenario), `${when}, not synced`).toEqual(before)
        await early.sync()
        expectWhole(await look(early, scenario), within, `${when}, synced since`)
        await early.close()

        await compactOnce(bucket, scenario, path.join(folder, 'work'))
        expect(await lookAt(bucket, scenario, -1), `${when}, once more`).toEqual(end)
        if (!faults.reached) return
        if (mode === 'gone') expect(error, when).toBeDefined()
      }
    },
    timeoutMs,
  )
})

test('two compactors at once by mistake: nothing is lost, and nothing is there twice in the end', async () => {
  for (const scenario of crashScenarios) {
    const bucket = await filledBucket(scenario)
    const before = await lookAt(bucket, scenario)
    const undisturbed = await copyOf(bucket)
    await compactOnce(undisturbed, scenario, path.join(folder, 'undisturbed'))
    const end = await lookAt(undisturbed, scenario, -1)
    const folders = ['one', 'other'].map((name) => path.join(folder, name))
    const runs = folders.map((work) => compactOnce(bucket, scenario, work))
    let isRunning = true
    const done = Promise.all(runs).finally(() => {
      isRunning = false
    })
    while (isRunning) expect((await lookAt(bucket, scenario)).samples, scenario.name).toEqual(before.samples)
    await done
    await compactOnce(bucket, scenario, folders[0]!)
    expect(await lookAt(bucket, scenario, -1), scenario.name).toEqual(end)
  }
})
