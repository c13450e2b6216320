// One process at a time in a data folder: a lock that ends with its process, however that ends, across containers too.
// SQLite's exclusive transaction, since Node.js has no flock: the operating system's lock on one file below the folder.
// Owns the file mnemo.lock, which stays; what is done under the lock is the caller's.
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { MnemoError } from './errors.ts'
import type { Logger } from './log.ts'
import { makeFolder } from './make-folder.ts'

export interface FolderLockOptions {
  /** Made where it is missing. Processes on several machines need a file system whose locks hold across them. */
  readonly folder: string
  /** How long to wait for another process; then `unavailable`. */
  readonly waitMs: number
  readonly logger: Logger
  readonly signal: AbortSignal
}

const pollMs = 250
/** SQLITE_BUSY */
const busy = 5

/** Does the work while no other process (nor another call of this one) holds the folder's lock. */
export async function withFolderLock<T>(options: FolderLockOptions, work: () => Promise<T>): Promise<T> {
  await makeFolder(options.folder)
  const file = path.join(options.folder, 'mnemo.lock')
  const lock = openLock(file)
  try {
    await acquire(lock, file, options)
    return await work()
  } finally {
    lock.close()
  }
}

function openLock(file: string): DatabaseSync {
  try {
    return new DatabaseSync(file, { timeout: 0 })
  } catch (cause) {
    throw new MnemoError('config', `cannot lock the data folder: ${file}`, { cause })
  }
}

async function acquire(lock: DatabaseSync, file: string, { waitMs, logger, signal }: FolderLockOptions): Promise<void> {
  const deadlineMs = performance.now() + waitMs
  for (let tries = 0; !tryAcquire(lock, file); tries++) {
    if (tries === 0) logger.info({ file }, 'waiting: another process works in this data folder')
    if (performance.now() > deadlineMs)
      throw new MnemoError(
        'unavailable',
        `cannot work in a data folder: another process held ${file} for ${Math.round(waitMs / 1000)} s`,
      )
    await sleep(pollMs, undefined, { signal })
  }
}

function tryAcquire(lock: DatabaseSync, file: string): boolean {
  try {
    lock.exec('BEGIN EXCLUSIVE')
    return true
  } catch (cause) {
    if ((cause as { errcode?: number }).errcode === busy) return false
    throw new MnemoError('config', `cannot lock the data folder: ${file}`, { cause })
  }
}
