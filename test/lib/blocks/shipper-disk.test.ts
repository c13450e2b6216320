// A sidecar's disk failing at each call of an upload (full, gone, an answer lost): the bucket has whole blocks alone, with the
// samples that Prometheus has, and the next sync, on a disk that works, ships the rest; Prometheus's own files stay as they are.
import * as realFs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Shipper } from '../../../lib/blocks/shipper.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import type { Bucket } from '../../../lib/objstore/bucket.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { twoHours } from '../../support/crash-scenarios.ts'
import { Faults, faultModes } from '../../support/faults.ts'
import { diskIsFull } from '../../support/faulty-disk.ts'
import { viewOf, writeMadeBlock } from '../../support/made-blocks.ts'
import { isNightly } from '../../support/nightly.ts'

const failing = vi.hoisted(() => ({ faults: undefined as Faults | undefined }))
vi.mock('node:fs/promises', async (importOriginal) => {
  const { faultyDisk } = await import('../../support/faulty-disk.ts')
  return faultyDisk(await importOriginal<typeof realFs>(), failing)
})

let folder: string
beforeEach(async () => {
  folder = await realFs.mkdtemp(path.join(tmpdir(), 'shipper-disk-'))
})
afterEach(async () => {
  failing.faults = undefined
  await realFs.rm(folder, { recursive: true })
})

const signal = new AbortController().signal

async function prometheus(name: string): Promise<string> {
  const tsdbPath = path.join(folder, name)
  await realFs.mkdir(tsdbPath)
  for (const hour of [2, 4]) await writeMadeBlock(tsdbPath, { ...twoHours(hour), ulid: `${hour}`.padStart(26, '0') })
  return tsdbPath
}

function sync(bucket: Bucket, tsdbPath: string): Promise<number> {
  return new Shipper({
    bucket,
    tsdbPath,
    stateFile: 'thanos.shipper.json',
    labels: () => ['replica', 'a'],
    logger: createLogger({ level: 'silent' }),
    registry: createRegistry(),
  }).sync(signal)
}

/** Names and bytes of all that lies in the blocks' folders. */
async function filesOf(tsdbPath: string): Promise<string[]> {
  const names = await realFs.readdir(tsdbPath, { recursive: true, withFileTypes: true })
  const files = names.filter((entry) => entry.isFile() && entry.parentPath.includes('0000'))
  const read = async (file: string) => `${file} ${(await realFs.readFile(file)).toString('hex')}`
  return (await Promise.all(files.map((entry) => read(path.join(entry.parentPath, entry.name))))).sort()
}

test.each(faultModes)('each call to the disk in turn: %s', { timeout: 120_000 }, async (mode) => {
  const whole = new MemoryBucket()
  const undisturbed = await prometheus('undisturbed')
  expect(await sync(whole, undisturbed)).toBe(2)
  const all = await viewOf(whole)
  // Between them, CI's three modes take every call.
  const step = isNightly ? 1 : faultModes.length
  for (let n = isNightly ? 1 : faultModes.indexOf(mode) + 1; ; n += step) {
    const tsdbPath = await prometheus(`${n}`)
    const before = await filesOf(tsdbPath)
    const bucket = new MemoryBucket()
    const faults = new Faults(n, mode, diskIsFull)
    failing.faults = faults
    const error = await sync(bucket, tsdbPath).then(
      () => undefined,
      (error: unknown) => error,
    )
    failing.faults = undefined
    const when = `after call ${n} (${mode}): ${error}`
    const seen = await viewOf(bucket)
    expect(new Set(seen).size, when).toBe(seen.length)
    expect(
      seen.filter((line) => !all.includes(line)),
      when,
    ).toEqual([])
    await sync(bucket, tsdbPath)
    expect(await viewOf(bucket), `${when}, once more`).toEqual(all)
    expect(await filesOf(tsdbPath), when).toEqual(before)
    expect(await realFs.readdir(path.join(tsdbPath, 'thanos', 'upload')).catch(() => []), when).toEqual([])
    await realFs.rm(tsdbPath, { recursive: true })
    if (!faults.reached) return
    if (mode === 'gone') expect(error, when).toBeDefined()
  }
})
