// Bytes at hand: read by position without waiting, from memory or from a local file through a cache of pages.
// Node has no mmap; a table that is looked into millions of times cannot await each look.
// Owns the page cache: one of bounded size may serve many files of a thread.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { MnemoError } from '../kit/errors.ts'
import { fileError } from './random-access.ts'

/** Part of a file, whose offsets are the file's. */
export interface SyncBytes {
  readonly name: string
  /** `length` bytes at `offset`: a view, valid until the next call. Throws `corrupt` where they are not there. */
  borrowBytes(offset: number, length: number): Uint8Array
}

/** Bytes in memory that stand at `start` in the file `name`. */
export function memoryBytes(name: string, bytes: Uint8Array, start: number): SyncBytes {
  return {
    name,
    borrowBytes(offset, length) {
      const at = offset - start
      if (!(at >= 0 && length >= 0 && at + length <= bytes.length)) {
        throw outside(name, { offset, length }, start + bytes.length)
      }
      return bytes.subarray(at, at + length)
    },
  }
}

const pageBytes = 16 * 1024

interface Page {
  owner: PagedFile
  number: number
  /** Valid bytes; less than a page at the file's end. */
  length: number
  used: boolean
  readonly bytes: Buffer
}

/** Pages of any number of files, at most `capacityBytes` of them. Second-chance eviction. */
export class PageCache {
  readonly #pages: Page[] = []
  readonly #capacity: number
  #hand = 0

  constructor(capacityBytes: number) {
    this.#capacity = Math.max(1, Math.floor(capacityBytes / pageBytes))
  }

  /** A page to fill, taken from another owner where the cache is full. */
  take(owner: PagedFile, number: number): Page {
    if (this.#pages.length < this.#capacity) {
      const page = { owner, number, length: 0, used: true, bytes: Buffer.allocUnsafeSlow(pageBytes) }
      this.#pages.push(page)
      return page
    }
    let page = this.#pages[this.#hand]!
    while (page.used) {
      page.used = false
      this.#hand = (this.#hand + 1) % this.#pages.length
      page = this.#pages[this.#hand]!
    }
    page.owner.forget(page.number)
    page.owner = owner
    page.number = number
    page.used = true
    return page
  }
}

/**
 * A local file read by position, synchronously: microseconds from the system's cache. It is opened when it is first read: of
 * thousands of files few are looked into. The caller closes it.
 */
export class PagedFile implements SyncBytes {
  readonly name: string
  readonly #cache: PageCache
  readonly #pages = new Map<number, Page>()
  #file: { readonly descriptor: number; readonly sizeBytes: number } | undefined
  #isClosed = false
  #joined = Buffer.alloc(0)

  constructor(path: string, cache: PageCache) {
    this.name = path
    this.#cache = cache
  }

  /** Opens it now: from then on it may lose its name. */
  open(): this {
    if (this.#file === undefined) this.#open()
    return this
  }

  #open(): { readonly descriptor: number; readonly sizeBytes: number } {
    if (this.#isClosed) throw new MnemoError('internal', `cannot read ${this.name}: it has been closed`)
    try {
      const descriptor = openSync(this.name, 'r')
      this.#file = { descriptor, sizeBytes: fstatSync(descriptor).size }
      return this.#file
    } catch (error) {
      throw fileError(`cannot open ${this.name}`, error)
    }
  }

  /** Throws `not_found` where the file is not there. */
  borrowBytes(offset: number, length: number): Uint8Array {
    const { sizeBytes } = this.#file ?? this.#open()
    if (!(offset >= 0 && length >= 0 && offset + length <= sizeBytes)) {
      throw outside(this.name, { offset, length }, sizeBytes)
    }
    const start = offset % pageBytes
    if (start + length <= pageBytes) {
      const page = this.#page((offset - start) / pageBytes)
      return page.bytes.subarray(start, start + length)
    }
    return this.#join(offset, length)
  }

  /** Bytes that span pages are put together in a buffer of their own. */
  #join(offset: number, length: number): Uint8Array {
    if (this.#joined.length < length) this.#joined = Buffer.allocUnsafeSlow(length)
    for (let done = 0; done < length; ) {
      const at = offset + done
      const start = at % pageBytes
      const count = Math.min(pageBytes - start, length - done)
      this.#joined.set(this.#page((at - start) / pageBytes).bytes.subarray(start, start + count), done)
      done += count
    }
    return this.#joined.subarray(0, length)
  }

  #page(number: number): Page {
    const known = this.#pages.get(number)
    if (known !== undefined) {
      known.used = true
      return known
    }
    const page = this.#cache.take(this, number)
    const offset = number * pageBytes
    page.length = 0
    const { descriptor, sizeBytes } = this.#file ?? this.#open()
    const want = Math.min(pageBytes, sizeBytes - offset)
    while (page.length < want) {
      const got = this.#read(descriptor, page.bytes.subarray(page.length, want), offset + page.length)
      if (got === 0) throw outside(this.name, { offset, length: want }, offset + page.length)
      page.length += got
    }
    this.#pages.set(number, page)
    return page
  }

  #read(descriptor: number, into: Buffer, offset: number): number {
    try {
      return readSync(descriptor, into, 0, into.length, offset)
    } catch (error) {
      throw fileError(`cannot read ${this.name}`, error)
    }
  }

  /** Called by the cache when a page goes to another owner. */
  forget(number: number): void {
    this.#pages.delete(number)
  }

  close(): void {
    this.#isClosed = true
    if (this.#file === undefined) return
    closeSync(this.#file.descriptor)
    this.#file = undefined
    for (const page of this.#pages.values()) page.used = false
    this.#pages.clear()
  }
}

function outside(name: string, range: { offset: number; length: number }, end: number): MnemoError {
  return new MnemoError(
    'corrupt',
    `cannot read ${range.length} bytes of ${name} at offset ${range.offset}: got an end at ${end}`,
  )
}
