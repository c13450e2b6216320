// Byte ranges of a block's index object, read by pages through the index cache.
// Missing pages are merged into few reads (plan.ts) that run side by side (fetch.ts); corrupt ones are let go of, in the cache too.
// Owns the way from a range to its bytes; what the bytes mean is block-index.ts.
import { asMnemoError } from '../kit/errors.ts'
import type { Gate } from '../kit/gate.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { allOrAbort } from './fetch.ts'
import { type IndexCache, pageBytes } from './index-cache.ts'
import { type PlanLimits, planFurtherReads } from './plan.ts'
import type { KindStats } from './read-stats.ts'

/** Pages between two wanted ones that are read over by a call that needs few reads. */
const limits: PlanLimits = { maxGapBytes: 4 * pageBytes, maxReadBytes: 4 << 20 }

export interface IndexObject {
  readonly bucket: Bucket
  /** The object's name: `<ulid>/index`. */
  readonly name: string
  readonly sizeBytes: number
  readonly cache: IndexCache
  readonly gate: Gate
}

/** The pages that one piece of work has gathered; they stay with it, whatever the cache lets go of. */
export class IndexPages {
  readonly #object: IndexObject
  readonly #stats: KindStats
  readonly #pages = new Map<number, Uint8Array>()

  constructor(object: IndexObject, stats: KindStats) {
    this.#object = object
    this.#stats = stats
  }

  /** Gathers the pages of bytes [offset, offset + length) of each range, up to the object's end; offsets ascending. */
  async load(offsets: ArrayLike<number>, lengths: ArrayLike<number>, signal: AbortSignal): Promise<void> {
    const missing = this.#missing(offsets, lengths)
    if (missing.length === 0) return
    const starts = missing.map((page) => page * pageBytes)
    const sizes = new Array<number>(missing.length).fill(pageBytes)
    const reads = planFurtherReads(starts, sizes, limits, this.#stats.reads)
    this.#stats.reads += reads.length
    const { bucket, name, gate } = this.#object
    await allOrAbort(
      signal,
      reads.map(({ offset, length }) => async (signal) => {
        this.#stats.reserve(length)
        const bytes = await gate.run(length, signal, () => bucket.getRange(name, offset, length, signal))
        this.#stats.fetchedBytes += bytes.length
        this.#keep(offset / pageBytes, bytes)
      }),
    )
  }

  #missing(offsets: ArrayLike<number>, lengths: ArrayLike<number>): number[] {
    const missing: number[] = []
    let next = 0
    for (let i = 0; i < offsets.length; i++) {
      const first = Math.floor(offsets[i]! / pageBytes)
      const end = Math.min(offsets[i]! + lengths[i]!, this.#object.sizeBytes)
      const last = Math.floor((end - 1) / pageBytes)
      for (let page = Math.max(first, next); page <= last; page++) {
        if (this.#pages.has(page)) continue
        const known = this.#object.cache.borrow(this.#object.name, page)
        if (known) this.#pages.set(page, known)
        else missing.push(page)
      }
      next = Math.max(next, last + 1)
    }
    return missing
  }

  #keep(firstPage: number, bytes: Uint8Array): void {
    for (let at = 0, page = firstPage; at < bytes.length; at += pageBytes, page++) {
      // A copy: a view would keep the whole read alive for as long as one of its pages is cached.
      const copy = bytes.slice(at, at + pageBytes)
      this.#pages.set(page, copy)
      this.#object.cache.keep(this.#object.name, page, copy)
    }
  }

  /** Whether all pages of the range have been gathered; behind the object's end there is nothing to gather. */
  has(offset: number, length: number): boolean {
    const last = Math.floor((offset + length - 1) / pageBytes)
    for (let page = Math.floor(offset / pageBytes); page <= last; page++) {
      const bytes = this.#pages.get(page)
      if (!bytes) return false
      if (bytes.length < pageBytes) return true
    }
    return true
  }

  /**
   * Up to `length` bytes at `offset`, as far as pages are there without a hole: fewer at the object's end too.
   * Borrowed where they lie in one page.
   */
  borrow(offset: number, length: number): Uint8Array {
    const first = this.#pages.get(Math.floor(offset / pageBytes))
    if (!first) return new Uint8Array(0)
    const at = offset % pageBytes
    if (at + length <= first.length || first.length < pageBytes) return first.subarray(at, at + length)
    const parts: Uint8Array[] = [first.subarray(at)]
    let size = first.length - at
    for (let page = Math.floor(offset / pageBytes) + 1; size < length; page++) {
      const bytes = this.#pages.get(page)
      if (!bytes) break
      parts.push(bytes.subarray(0, length - size))
      size += parts.at(-1)!.length
      if (bytes.length < pageBytes) break
    }
    return Buffer.concat(parts, size)
  }

  /**
   * What `decode` makes of borrow(offset, length). Where it throws `corrupt`, the range's pages are let go of: the next load() reads them
   * from the bucket.
   */
  decode<T>(offset: number, length: number, decode: (bytes: Uint8Array) => T): T {
    try {
      return decode(this.borrow(offset, length))
    } catch (error) {
      if (isCorrupt(error)) this.#drop(offset, length)
      throw error
    }
  }

  #drop(offset: number, length: number): void {
    const last = Math.floor((offset + length - 1) / pageBytes)
    for (let page = Math.floor(offset / pageBytes); page <= last; page++) {
      this.#pages.delete(page)
      this.#object.cache.drop(this.#object.name, page)
    }
  }
}

/** What `read` gives; where it throws `corrupt`, once more: a byte that was wrong on its way here is right then. */
export async function onceMoreIfCorrupt<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (!isCorrupt(error)) throw error
    return read()
  }
}

function isCorrupt(error: unknown): boolean {
  return asMnemoError(error).code === 'corrupt'
}
