// The number of each symbol of an index that is being written: from memory while there are few, else from the file itself.
// Owns the file opened for look-ups, and how many symbols count as few.
import type { FileWriter } from '../bytes/file-writer.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import { PageCache, PagedFile } from '../bytes/sync-bytes.ts'
import { SymbolTable } from './symbol-table.ts'

const defaultMostInMemory = 262_144
const pageCacheBytes = 16 * 1024 * 1024
const textCacheEntries = 65_536

export class SymbolNumbers {
  readonly #most: number
  /** All of them, or, once they are too many, those that were looked up last. */
  #numbers = new Map<string, number>()
  #count = 0
  #file: PagedFile | undefined
  #table: SymbolTable | undefined

  constructor({ mostInMemory = defaultMostInMemory }: { readonly mostInMemory?: number } = {}) {
    this.#most = mostInMemory
  }

  get count(): number {
    return this.#count
  }

  /** The next symbol, in order. */
  add(text: string): void {
    const number = this.#count++
    if (number < this.#most) this.#numbers.set(text, number)
    else if (number === this.#most) this.#numbers = new Map()
  }

  /** Where there are many, opens the table that stands in [offset, limit) of the file. */
  async open(file: FileWriter, range: { readonly offset: number; readonly limit: number }): Promise<void> {
    if (this.#count > this.#most) await this.#openTable(file, range)
  }

  async #openTable(file: FileWriter, range: { readonly offset: number; readonly limit: number }): Promise<void> {
    const source: RandomAccess = {
      name: file.path,
      sizeBytes: range.limit,
      read: (offset, length) => file.read(offset, length),
    }
    await file.read(range.offset, 0) // all of it is in the file then
    this.#file = new PagedFile(file.path, new PageCache(pageCacheBytes))
    this.#table = await SymbolTable.open(source, range, this.#file, { cacheEntries: textCacheEntries })
  }

  /** The symbol's number, undefined where there is no such symbol. */
  find(text: string): number | undefined {
    const known = this.#numbers.get(text)
    if (known !== undefined || this.#table === undefined) return known
    const found = this.#table.find(text)
    if (found === undefined) return undefined
    if (this.#numbers.size === textCacheEntries) this.#numbers = new Map()
    this.#numbers.set(text, found)
    return found
  }

  /** From now on symbols are asked for by number alone. */
  async toTexts(file: FileWriter, range: { readonly offset: number; readonly limit: number }): Promise<SymbolTable> {
    this.#numbers = new Map()
    if (this.#table === undefined) await this.#openTable(file, range)
    return this.#table!
  }

  close(): void {
    this.#file?.close()
    this.#file = undefined
  }
}
