// The lock of a data folder: one holder at a time, in this process and among processes, and free once its process is killed.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { withFolderLock } from '../../../lib/kit/folder-lock.ts'
import { createLogger } from '../../../lib/kit/log.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'mnemo-lock-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const logger = createLogger({ level: 'error', format: 'logfmt' })
const { signal } = new AbortController()

test('work is done one after the other', async () => {
  let working = 0
  let most = 0
  const work = async () => {
    most = Math.max(most, ++working)
    await new Promise((resolve) => setTimeout(resolve, 50))
    working--
  }
  const options = { folder, waitMs: 10_000, logger, signal }
  await Promise.all([withFolderLock(options, work), withFolderLock(options, work), withFolderLock(options, work)])
  expect(most).toBe(1)
})

test('a failure frees the lock', async () => {
  const options = { folder: path.join(folder, 'made', 'here'), waitMs: 0, logger, signal }
  await expect(withFolderLock(options, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await withFolderLock(options, async () => 'free')).toBe('free')
})

test('another process holds it until it is killed', async () => {
  const module = fileURLToPath(new URL('../../../lib/kit/folder-lock.ts', import.meta.url))
  const script = `
    import { withFolderLock } from ${JSON.stringify(module)}
    const options = { folder: ${JSON.stringify(folder)}, waitMs: 0, logger: console, signal: new AbortController().signal }
    await withFolderLock(options, () => new Promise((resolve) => { console.log('held'); setTimeout(resolve, 60_000) }))`
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
  const holder = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await once(holder.stdout, 'data')
    const options = { folder, waitMs: 100, logger, signal }
    await expect(withFolderLock(options, async () => 'mine')).rejects.toMatchObject({ code: 'unavailable' })
    const waiting = withFolderLock({ ...options, waitMs: 10_000 }, async () => 'mine')
    holder.kill('SIGKILL')
    expect(await waiting).toBe('mine')
  } finally {
    holder.kill('SIGKILL')
  }
})

test('waiting ends with the signal', async () => {
  const stop = new AbortController()
  await withFolderLock({ folder, waitMs: 0, logger, signal }, async () => {
    const waiting = withFolderLock({ folder, waitMs: 60_000, logger, signal: stop.signal }, async () => 'mine')
    stop.abort()
    await expect(waiting).rejects.toThrow()
  })
})
