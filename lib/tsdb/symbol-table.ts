// The index's symbols: every distinct string once, in the order of their bytes; a reference is the position in it.
// Specification: Prometheus tsdb/docs/format/index.md, "Symbol Table": `length u32 | count u32 | (uvarint length, bytes)… | crc32c`.
// Owns look-ups both ways over bytes at hand, with every 32nd offset in memory.
import { Cursor } from '../bytes/cursor.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import type { SyncBytes } from '../bytes/sync-bytes.ts'
import { compareStrings } from '../labels/labels.ts'
import { GrowingUint32 } from './growing-uint32.ts'
import { scanTable } from './table-scan.ts'

const section = 'symbols'
const sampleEvery = 32
const defaultCacheEntries = 4096
const emptySlot = 0xffffffff

export interface SymbolTableOptions {
  /** Decoded strings kept for the next look-up; rounded up to a power of two. */
  readonly cacheEntries?: number
}

/** What another thread needs besides the file; the samples are shared memory. */
export interface SharedSymbols {
  readonly start: number
  readonly end: number
  readonly count: number
  readonly samples: Uint32Array
}

export class SymbolTable {
  /** References are 0 to count − 1. */
  readonly count: number
  readonly #bytes: SyncBytes
  /** File offset that the samples count from. */
  readonly #start: number
  readonly #end: number
  /** Offset of every 32nd symbol. */
  readonly #samples: Uint32Array
  /** Direct-mapped: the reference in a slot, and its string. Made at the first look-up. */
  #cachedRefs: Uint32Array | undefined
  #cachedText: string[] = []
  readonly #cacheEntries: number

  private constructor(fields: {
    bytes: SyncBytes
    start: number
    end: number
    count: number
    samples: Uint32Array
    cacheEntries: number
  }) {
    this.#bytes = fields.bytes
    this.#start = fields.start
    this.#end = fields.end
    this.count = fields.count
    this.#samples = fields.samples
    // No more than there are symbols: a small table's cache would cost more than the table.
    this.#cacheEntries = 2 ** Math.ceil(Math.log2(Math.max(1, Math.min(fields.count, fields.cacheEntries))))
  }

  /** Scans the table at [offset, limit) of `source` once, verifying it; later look-ups go to `bytes`. */
  static async open(
    source: RandomAccess,
    range: { readonly offset: number; readonly limit: number },
    bytes: SyncBytes,
    options?: SymbolTableOptions & { readonly signal?: AbortSignal | undefined },
  ): Promise<SymbolTable> {
    const samples = new GrowingUint32()
    let seen = 0
    const onEntry = (cursor: Cursor, offset: number) => {
      cursor.skip(cursor.uvarint32())
      if (seen++ % sampleEvery === 0) samples.push(offset - range.offset)
    }
    const table = await scanTable(source, { section, ...range }, onEntry, options?.signal)
    return new SymbolTable({
      bytes,
      start: range.offset,
      end: table.entriesEnd,
      count: table.count,
      samples: samples.finishShared(),
      cacheEntries: options?.cacheEntries ?? defaultCacheEntries,
    })
  }

  /** The table that another thread has opened and verified. */
  static attach(shared: SharedSymbols, bytes: SyncBytes): SymbolTable {
    return new SymbolTable({ ...shared, bytes, cacheEntries: defaultCacheEntries })
  }

  share(): SharedSymbols {
    return { start: this.#start, end: this.#end, count: this.count, samples: this.#samples }
  }

  /** The symbol of a reference; `corrupt` where the table has no such. */
  lookup(ref: number): string {
    if (this.#cachedRefs === undefined) {
      this.#cachedRefs = new Uint32Array(this.#cacheEntries).fill(emptySlot)
      this.#cachedText = new Array<string>(this.#cacheEntries).fill('')
    }
    const slot = ref & (this.#cacheEntries - 1)
    if (this.#cachedRefs[slot] === ref) return this.#cachedText[slot]!
    const text = shared(this.#read(ref))
    this.#cachedRefs[slot] = ref
    this.#cachedText[slot] = text
    return text
  }

  #read(ref: number): string {
    const sample = Math.floor(ref / sampleEvery)
    if (!(ref >= 0 && ref < this.count)) {
      const cursor = new Cursor(new Uint8Array(), { file: this.#bytes.name, section, offset: this.#start })
      cursor.fail(`got a reference to symbol ${ref}, want less than ${this.count}`)
    }
    const cursor = this.#sampleCursor(sample)
    for (let i = ref % sampleEvery; i > 0; i--) cursor.skip(cursor.uvarint32())
    return cursor.uvarintString()
  }

  /** A cursor over the symbols from one sample to the next. */
  #sampleCursor(sample: number): Cursor {
    const offset = this.#start + this.#samples[sample]!
    const next = this.#samples[sample + 1]
    const end = next === undefined ? this.#end : this.#start + next
    const bytes = this.#bytes.borrowBytes(offset, end - offset)
    return new Cursor(bytes, { file: this.#bytes.name, section, offset })
  }

  /** The reference of a string, undefined where the table has none. */
  find(text: string): number | undefined {
    let low = 0
    let high = this.#samples.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareStrings(this.#sampleCursor(middle).uvarintString(), text) <= 0) low = middle + 1
      else high = middle
    }
    if (low === 0) return undefined
    const cursor = this.#sampleCursor(low - 1)
    for (let ref = (low - 1) * sampleEvery; cursor.remaining > 0; ref++) {
      if (cursor.uvarintString() === text) return ref
    }
    return undefined
  }

  /** All symbols in order. */
  *[Symbol.iterator](): Generator<string> {
    for (let sample = 0; sample < this.#samples.length; sample++) {
      const cursor = this.#sampleCursor(sample)
      // Decoded before the first is handed out: the bytes are borrowed until the next look-up.
      const texts: string[] = []
      while (cursor.remaining > 0) texts.push(cursor.uvarintString())
      yield* texts
    }
  }
}

/** The most texts that are shared; when so many are known, it begins anew. */
const maxSharedTexts = 1 << 16
const sharedTexts = new Map<string, string>()

/** One string object for equal texts of all tables: blocks of one origin have the same labels, and the same object compares at once. */
function shared(text: string): string {
  const known = sharedTexts.get(text)
  if (known !== undefined) return known
  if (sharedTexts.size === maxSharedTexts) sharedTexts.clear()
  sharedTexts.set(text, text)
  return text
}
