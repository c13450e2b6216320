// The symbols of several blocks as one list, and where each block's symbols stand in it.
// Specification: Prometheus tsdb/docs/format/index.md: symbols ascend by bytes, their number is their place.
// Owns the translations: numbers in memory, or in a file beside the new block where they are many.
import { rm } from 'node:fs/promises'
import { FileWriter } from '../bytes/file-writer.ts'
import { PageCache, PagedFile } from '../bytes/sync-bytes.ts'
import { MnemoError } from '../kit/errors.ts'
import { compareStrings } from '../labels/labels.ts'
import { BlockError } from '../tsdb/block-error.ts'
import { GrowingUint32 } from '../tsdb/growing-uint32.ts'
import type { SymbolTable } from '../tsdb/symbol-table.ts'

const defaultMostInMemory = 1_000_000
/** Whoever looks numbers up takes pages of them, and keeps those. */
const pageCacheBytes = 64 * 1024

export interface SymbolSource {
  /** The block's ULID, for errors. */
  readonly ulid: string
  readonly symbols: SymbolTable
}

export class SymbolMerge {
  readonly #sources: readonly SymbolSource[]
  readonly #translations: readonly Translation[]

  /** `path`: of files that may be made, one a block, with its number behind the path. */
  constructor(
    sources: readonly SymbolSource[],
    { path, mostInMemory = defaultMostInMemory }: { readonly path: string; readonly mostInMemory?: number },
  ) {
    this.#sources = sources
    const cache = new PageCache(pageCacheBytes)
    this.#translations = sources.map(({ symbols }, i) =>
      symbols.count > mostInMemory ? new FileTranslation(`${path}.${i}`, cache) : new MemoryTranslation(),
    )
  }

  /**
   * All symbols, each once, ascending by bytes. To be read to the end once, before `translate`. Throws a BlockError where one
   * block's symbols are bad.
   */
  async *merged(): AsyncGenerator<string> {
    const tables = this.#sources.map(ascending)
    const heads = tables.map((table) => table.next())
    for (let number = 0; ; number++) {
      let best: string | undefined
      for (const { value, done } of heads)
        if (!done && (best === undefined || compareStrings(value, best) < 0)) best = value
      if (best === undefined) break
      for (const [i, head] of heads.entries()) {
        if (head.done || head.value !== best) continue
        heads[i] = tables[i]!.next()
        if (this.#translations[i]!.push(number)) await this.#translations[i]!.flush()
      }
      yield best
    }
    for (const translation of this.#translations) await translation.finish()
  }

  /** What the symbols of the block of that number are in the merged list. */
  numbersOf(source: number): BlockNumbers {
    return this.#translations[source]!
  }

  async close(): Promise<void> {
    for (const translation of this.#translations) await translation.close()
  }
}

function* ascending({ ulid, symbols }: SymbolSource): Generator<string> {
  let last: string | undefined
  try {
    for (const text of symbols) {
      if (last !== undefined && compareStrings(last, text) >= 0)
        throw new MnemoError('corrupt', `got symbol ${JSON.stringify(text)} after ${JSON.stringify(last)}`)
      last = text
      yield text
    }
  } catch (cause) {
    if (!(cause instanceof MnemoError && cause.code === 'corrupt')) throw cause
    throw new BlockError('corrupt', ulid, `cannot read the symbols of block ${ulid}`, { cause })
  }
}

/** A block's symbols, in their order, as numbers of the merged list. */
export interface BlockNumbers {
  readonly count: number
  /** Those of at most `length` symbols from `first` on as bytes, four each, little endian: borrowed until the next call. */
  borrow(first: number, length: number): Uint8Array
}

/** The numbers that a table's symbols have got, in order. */
interface Translation extends BlockNumbers {
  /** True: `flush` must be called before the next push. */
  push(number: number): boolean
  flush(): Promise<void>
  finish(): Promise<void>
  close(): Promise<void>
}

class MemoryTranslation implements Translation {
  readonly #growing = new GrowingUint32()
  #numbers: Uint32Array = new Uint32Array(0)

  push(number: number): boolean {
    this.#growing.push(number)
    return false
  }

  async flush(): Promise<void> {}

  async finish(): Promise<void> {
    this.#numbers = this.#growing.finish()
  }

  get count(): number {
    return this.#numbers.length
  }

  borrow(first: number, length: number): Uint8Array {
    const numbers = this.#numbers.subarray(first, first + length)
    return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)
  }

  async close(): Promise<void> {}
}

class FileTranslation implements Translation {
  readonly #path: string
  readonly #cache: PageCache
  readonly #piece = new Uint32Array(16_384)
  #length = 0
  #count = 0
  #writer: FileWriter | undefined
  #file: PagedFile | undefined

  constructor(path: string, cache: PageCache) {
    this.#path = path
    this.#cache = cache
  }

  push(number: number): boolean {
    this.#piece[this.#length++] = number
    this.#count++
    return this.#length === this.#piece.length
  }

  async flush(): Promise<void> {
    this.#writer ??= await FileWriter.create(this.#path)
    await this.#writer.append(new Uint8Array(this.#piece.buffer, 0, this.#length * 4))
    this.#length = 0
  }

  async finish(): Promise<void> {
    await this.flush()
    await this.#writer!.finish()
    this.#writer = undefined
    this.#file = new PagedFile(this.#path, this.#cache)
  }

  get count(): number {
    return this.#count
  }

  borrow(first: number, length: number): Uint8Array {
    return this.#file!.borrowBytes(first * 4, Math.min(length, this.#count - first) * 4)
  }

  async close(): Promise<void> {
    this.#file?.close()
    await this.#writer?.abort()
    await rm(this.#path, { force: true })
  }
}
