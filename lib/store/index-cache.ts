// The index cache: pages of the blocks' index objects, a least-recently-used map bounded in bytes.
// Postings and series entries are byte ranges of one object, so that one kind of entry serves both.
// Owns the pages' memory; page size and numbering are shared with block-index.ts.

/** Bytes of a page; page n of an object begins at n × pageBytes. The last page of an object is shorter. */
export const pageBytes = 16 * 1024

/** What a page costs besides its bytes: key, map entry, buffer object. */
const overheadBytes = 256

export class IndexCache {
  readonly maxBytes: number
  readonly #pages = new Map<string, Uint8Array>()
  #bytes = 0
  hits = 0
  misses = 0
  added = 0
  evicted = 0

  /** `maxBytes` 0 keeps nothing. */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  get pages(): number {
    return this.#pages.size
  }

  /** The page, borrowed: it must not be written to. */
  borrow(object: string, page: number): Uint8Array | undefined {
    const key = keyOf(object, page)
    const bytes = this.#pages.get(key)
    if (!bytes) {
      this.misses++
      return undefined
    }
    this.hits++
    this.#pages.delete(key)
    this.#pages.set(key, bytes)
    return bytes
  }

  /** Keeps the page; the cache owns the bytes from now on, which must not be a view of something larger. */
  keep(object: string, page: number, bytes: Uint8Array): void {
    const key = keyOf(object, page)
    const cost = bytes.length + overheadBytes
    if (cost > this.maxBytes || this.#pages.has(key)) return
    this.#pages.set(key, bytes)
    this.#bytes += cost
    this.added++
    for (const [oldest, page] of this.#pages) {
      if (this.#bytes <= this.maxBytes) break
      this.#evict(oldest, page)
    }
  }

  /** Lets go of the page, which is not what the object has. */
  drop(object: string, page: number): void {
    const key = keyOf(object, page)
    const bytes = this.#pages.get(key)
    if (bytes) this.#evict(key, bytes)
  }

  #evict(key: string, bytes: Uint8Array): void {
    this.#pages.delete(key)
    this.evicted++
    this.#bytes -= bytes.length + overheadBytes
  }
}

function keyOf(object: string, page: number): string {
  return `${page}:${object}`
}
