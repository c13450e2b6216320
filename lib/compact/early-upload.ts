// Chunk segments of a block that is still being written, uploaded as soon as they are whole; all but the last are taken off the disk then:
// what a block takes of the disk does not grow with it. Without meta.json the bucket has no such block yet.
// Owns what it has uploaded until the block is whole; takeBack() where it never will be.
import { rm } from 'node:fs/promises'
import path from 'node:path'
import type { BlockFile } from '../blocks/meta.ts'
import { type HashFunc, withHash } from '../blocks/upload.ts'
import type { WorkBucket } from '../objstore/bucket.ts'
import { LocalFile } from '../objstore/local-file.ts'
import type { WrittenSegment } from '../tsdb/chunk-writer.ts'

/** How long taking back may take. */
const takeBackTimeoutMs = 30_000

export class EarlyUpload {
  readonly #bucket: WorkBucket
  readonly #ulid: string
  readonly #hashFunc: HashFunc
  readonly #signal: AbortSignal
  readonly #files: BlockFile[] = []

  constructor(bucket: WorkBucket, block: { readonly ulid: string; readonly hashFunc: HashFunc }, signal: AbortSignal) {
    this.#bucket = bucket
    this.#ulid = block.ulid
    this.#hashFunc = block.hashFunc
    this.#signal = signal
  }

  /** In order, as meta.json names them. */
  get files(): readonly BlockFile[] {
    return this.#files
  }

  /** Uploads a segment and removes its file. */
  async take(file: string, segment: WrittenSegment): Promise<void> {
    await this.copy(file, segment)
    await rm(file)
  }

  /** Uploads a segment whose file stays. */
  async copy(file: string, { name, sizeBytes }: WrittenSegment): Promise<void> {
    const folder = path.dirname(path.dirname(file))
    const relPath = `${path.basename(path.dirname(file))}/${name}`
    const uploaded = await withHash(folder, { relPath, sizeBytes }, this.#hashFunc)
    this.#files.push(uploaded)
    const body = new LocalFile(file, { sizeBytes, mayLink: true })
    await this.#bucket.upload(`${this.#ulid}/${relPath}`, body, this.#signal)
  }

  /** Best effort: what stays is a partial block, which goes after two days. */
  async takeBack(): Promise<void> {
    const signal = AbortSignal.timeout(takeBackTimeoutMs)
    const taken = this.#files.splice(0).map(({ relPath }) => this.#bucket.delete(`${this.#ulid}/${relPath}`, signal))
    await Promise.allSettled(taken)
  }
}
