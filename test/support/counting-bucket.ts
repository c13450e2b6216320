// A bucket that writes down every read, for tests that hold how much is read; objects can be taken away under its reader.
// Owns the log; the objects are the inner bucket's.
import type { Readable } from 'node:stream'
import { MnemoError } from '../../lib/kit/errors.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'

export interface RangeRead {
  readonly name: string
  readonly offset: number
  /** As asked for; the object may end before. */
  readonly length: number
}

export class CountingBucket implements Bucket {
  readonly description = 'counting bucket'
  readonly reads: RangeRead[] = []
  lists = 0
  /** Objects read whole. */
  readonly gets: string[] = []
  /** What becomes of a range read before it happens; throwing fails it. */
  beforeRead: (read: RangeRead) => void | Promise<void> = () => {}
  readonly #inner: Bucket

  constructor(inner: Bucket) {
    this.#inner = inner
  }

  list(folder: string, options?: { recursive?: boolean; signal?: AbortSignal }) {
    this.lists++
    return this.#inner.list(folder, options)
  }

  get(name: string, signal?: AbortSignal): Promise<Readable> {
    this.gets.push(name)
    return this.#inner.get(name, signal)
  }

  async getRange(name: string, offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    const read = { name, offset, length }
    this.reads.push(read)
    await this.beforeRead(read)
    if (signal?.aborted) throw new MnemoError('canceled', 'cannot read: aborted')
    return this.#inner.getRange(name, offset, length, signal)
  }

  exists(name: string, signal?: AbortSignal) {
    return this.#inner.exists(name, signal)
  }

  attributes(name: string, signal?: AbortSignal) {
    return this.#inner.attributes(name, signal)
  }

  upload(name: string, body: Readable | Uint8Array, signal?: AbortSignal) {
    return this.#inner.upload(name, body, signal)
  }

  putIfAbsent(name: string, body: Uint8Array, signal?: AbortSignal) {
    return this.#inner.putIfAbsent(name, body, signal)
  }

  delete(name: string, signal?: AbortSignal) {
    return this.#inner.delete(name, signal)
  }

  close() {
    return this.#inner.close()
  }
}
