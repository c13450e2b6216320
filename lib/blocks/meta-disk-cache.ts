// Copies of meta.json on disk, so that a start over thousands of blocks reads none of them from the bucket.
// Layout: Thanos's `<data>/meta-syncer/<ulid>/meta.json`; the file's mtime is the object's, which tells whether it is current.
// Small local files are read and written at once: that takes microseconds, and several times as many by way of another thread.
// Owns that folder. Best effort: what fails here is logged, and the bucket is asked.
import { readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { MnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import { makeFolder } from '../kit/make-folder.ts'
import { fileError } from '../objstore/failures.ts'
import { isUlid } from './block-name.ts'
import { type BlockMeta, metaFileName } from './meta.ts'
import { maxMetaBytes, parseMeta } from './meta-parse.ts'

export class MetaDiskCache {
  readonly #folder: string
  readonly #logger: Logger | undefined

  constructor(dataDir: string, logger: Logger | undefined) {
    this.#folder = path.join(dataDir, 'meta-syncer')
    this.#logger = logger
  }

  /** The meta in the object last modified then; undefined where it is not here, or not readable. */
  async read(ulid: string, lastModifiedMs: number): Promise<BlockMeta | undefined> {
    const file = this.#file(ulid)
    // One block after the other: health checks have their turn between them.
    await setImmediate()
    try {
      const bytes = readIfOf(file, lastModifiedMs)
      const meta = bytes && parseMeta(bytes, file)
      return meta?.ulid === ulid ? meta : undefined
    } catch (error) {
      const known = fileError(error, `read ${file}`)
      if (known.code !== 'not_found') this.#warn('read', file, known)
      return undefined
    }
  }

  async write(ulid: string, bytes: Uint8Array, lastModifiedMs: number): Promise<void> {
    const file = this.#file(ulid)
    const temporary = `${file}.tmp`
    try {
      await makeFolder(path.dirname(file))
      writeFileSync(temporary, bytes)
      utimesSync(temporary, lastModifiedMs / 1000, lastModifiedMs / 1000)
      renameSync(temporary, file)
    } catch (error) {
      this.#warn('write', file, fileError(error, `write ${file}`))
    }
  }

  /** Forgets blocks that are gone from the bucket. */
  async keepOnly(blocks: ReadonlyMap<string, unknown>): Promise<void> {
    try {
      for (const name of await fs.readdir(this.#folder)) {
        if (isUlid(name) && !blocks.has(name))
          await fs.rm(path.join(this.#folder, name), { recursive: true, force: true })
      }
    } catch (error) {
      const known = fileError(error, `clean ${this.#folder}`)
      if (known.code !== 'not_found') this.#warn('clean', this.#folder, known)
    }
  }

  #file(ulid: string): string {
    return path.join(this.#folder, ulid, metaFileName)
  }

  #warn(verb: string, file: string, err: MnemoError): void {
    this.#logger?.warn({ file, err }, `could not ${verb} the cache of block metas`)
  }
}

/** The file's bytes, where it is there and of that time. */
function readIfOf(file: string, lastModifiedMs: number): Uint8Array | undefined {
  const stats = statSync(file, { throwIfNoEntry: false })
  if (!stats || !isSameTime(stats.mtimeMs, lastModifiedMs) || stats.size > maxMetaBytes) return undefined
  return readFileSync(file)
}

// File systems keep times to the microsecond or finer, but not always what they were given.
function isSameTime(aMs: number, bMs: number): boolean {
  return Math.abs(aMs - bMs) < 1
}
