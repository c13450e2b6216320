// Copies of meta.json on disk, so that a start over thousands of blocks reads none of them from the bucket.
// Layout: Thanos's `<data>/meta-syncer/<ulid>/meta.json`; the file's mtime is the object's, which tells whether it is current.
// Owns that folder. Best effort: what fails here is logged, and the bucket is asked.
import * as fs from 'node:fs/promises'
import path from 'node:path'
import type { MnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import { makeFolder } from '../kit/make-folder.ts'
import { fileError } from '../objstore/failures.ts'
import { type BlockMeta, metaFileName } from './meta.ts'
import { maxMetaBytes, parseMeta } from './meta-parse.ts'
import { isUlid } from './ulid.ts'

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
    try {
      const stats = await fs.stat(file)
      if (!isSameTime(stats.mtimeMs, lastModifiedMs) || stats.size > maxMetaBytes) return undefined
      const meta = parseMeta(await fs.readFile(file), file)
      return meta.ulid === ulid ? meta : undefined
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
      await fs.writeFile(temporary, bytes)
      await fs.utimes(temporary, lastModifiedMs / 1000, lastModifiedMs / 1000)
      await fs.rename(temporary, file)
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

// File systems keep times to the microsecond or finer, but not always what they were given.
function isSameTime(aMs: number, bMs: number): boolean {
  return Math.abs(aMs - bMs) < 1
}
