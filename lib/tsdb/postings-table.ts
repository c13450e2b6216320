// The postings offset table: where each label pair's postings list stands, in the order of names, then values.
// Specification: Prometheus tsdb/docs/format/index.md, "Postings Offset Table":
// `length u32 | count u32 | (2 u8, name, value as uvarint strings, offset uvarint)… | crc32c`; the pair ('', '') is all series.
// Owns look-ups over bytes at hand, with every 32nd entry's offset of each name in memory.
import { Cursor } from '../bytes/cursor.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import type { SyncBytes } from '../bytes/sync-bytes.ts'
import { GrowingUint32 } from './growing-uint32.ts'
import { scanTable } from './table-scan.ts'

const section = 'postings offset table'
const sampleEvery = 32
const keysPerEntry = 2

/** A postings list in the index file: its length field, entries and checksum. */
export interface PostingsRange {
  readonly offset: number
  readonly length: number
}

export interface ValuePostings extends PostingsRange {
  readonly value: string
}

interface Name {
  /** Samples of this name: [first, end) of the table's samples. */
  readonly firstSample: number
  endSample: number
  count: number
}

interface Entry {
  /** Where name and value stand in the cursor's bytes. */
  nameStart: number
  nameEnd: number
  valueStart: number
  valueEnd: number
  /** Offset of the list in the index. */
  offset: number
}

/** What another thread needs besides the file; the samples are shared memory. */
export interface SharedPostings {
  readonly start: number
  readonly entriesEnd: number
  readonly postingsEnd: number
  readonly samples: Uint32Array
  readonly names: ReadonlyMap<string, Name>
}

export class PostingsTable {
  readonly #bytes: SyncBytes
  readonly #start: number
  readonly #entriesEnd: number
  readonly #postingsEnd: number
  readonly #samples: Uint32Array
  readonly #names: ReadonlyMap<string, Name>
  readonly #entry: Entry = newEntry()

  private constructor(fields: {
    bytes: SyncBytes
    start: number
    entriesEnd: number
    postingsEnd: number
    samples: Uint32Array
    names: ReadonlyMap<string, Name>
  }) {
    this.#bytes = fields.bytes
    this.#start = fields.start
    this.#entriesEnd = fields.entriesEnd
    this.#postingsEnd = fields.postingsEnd
    this.#samples = fields.samples
    this.#names = fields.names
  }

  /**
   * Scans the table at [offset, limit) of `source` once, verifying it; later look-ups go to `bytes`.
   * The lists that it points to lie in [postings, postingsEnd) of the index.
   */
  static async open(
    source: RandomAccess,
    range: { offset: number; limit: number; postings: number; postingsEnd: number },
    bytes: SyncBytes,
    signal?: AbortSignal,
  ): Promise<PostingsTable> {
    const builder = new SampleBuilder(range)
    const onEntry = (cursor: Cursor, offset: number) => builder.add(cursor, offset)
    const table = { section, offset: range.offset, limit: range.limit }
    const { entriesEnd } = await scanTable(source, table, onEntry, signal)
    return new PostingsTable({
      bytes,
      start: range.offset,
      entriesEnd,
      postingsEnd: range.postingsEnd,
      ...builder.finish(),
    })
  }

  /** The table that another thread has opened and verified. */
  static attach(shared: SharedPostings, bytes: SyncBytes): PostingsTable {
    return new PostingsTable({ ...shared, bytes })
  }

  share(): SharedPostings {
    const [start, entriesEnd, postingsEnd] = [this.#start, this.#entriesEnd, this.#postingsEnd]
    return { start, entriesEnd, postingsEnd, samples: this.#samples, names: this.#names }
  }

  /** Label names, ascending by bytes. */
  labelNames(): string[] {
    return [...this.#names.keys()].filter((name) => name !== '')
  }

  /** How many values a name has; 0 for an unknown name. */
  valueCount(name: string): number {
    return this.#names.get(name)?.count ?? 0
  }

  /** The values of a name, ascending by bytes, the first `limit` of them (0: all); none for an unknown name. */
  labelValues(name: string, limit = 0): string[] {
    const known = this.#names.get(name)
    const values: string[] = []
    if (known === undefined) return values
    const wanted = limit > 0 ? Math.min(limit, known.count) : known.count
    for (let sample = known.firstSample; values.length < wanted; sample++) {
      const cursor = this.#sampleCursor(sample)
      while (cursor.remaining > 0 && values.length < wanted) {
        const { valueStart, valueEnd } = readEntry(cursor, this.#entry)
        values.push(cursor.stringAt(valueStart, valueEnd))
      }
    }
    return values
  }

  /** Every label pair and where its list stands, in order; the pair ('', '') first. */
  *lists(): Generator<ValuePostings & { readonly name: string }> {
    let open: { name: string; value: string; offset: number } | undefined
    for (let sample = 0; sample < this.#samples.length; sample++)
      for (const next of this.#entriesOf(sample)) {
        if (open !== undefined) yield { ...open, length: next.offset - open.offset }
        open = next
      }
    if (open !== undefined) yield { ...open, length: this.#postingsEnd - open.offset }
  }

  /** Decoded before the first is handed out: the bytes are borrowed until the next look-up. */
  #entriesOf(sample: number): { name: string; value: string; offset: number }[] {
    const cursor = this.#sampleCursor(sample)
    const entries: { name: string; value: string; offset: number }[] = []
    while (cursor.remaining > 0) {
      const { nameStart, nameEnd, valueStart, valueEnd, offset } = readEntry(cursor, this.#entry)
      const name = cursor.stringAt(nameStart, nameEnd)
      entries.push({ name, value: cursor.stringAt(valueStart, valueEnd), offset })
    }
    return entries
  }

  /** The values that `accept` accepts, with their postings' ranges, ascending by bytes. One pass over the name's part of the table. */
  selectValues(name: string, accept: (value: string) => boolean): ValuePostings[] {
    const known = this.#names.get(name)
    const out: ValuePostings[] = []
    if (known === undefined) return out
    let open: { value: string; offset: number } | undefined
    const close = (end: number) => {
      if (open !== undefined) out.push({ ...open, length: end - open.offset })
      open = undefined
    }
    for (let sample = known.firstSample; sample < known.endSample; sample++) {
      const cursor = this.#sampleCursor(sample)
      while (cursor.remaining > 0) {
        const { valueStart, valueEnd, offset } = readEntry(cursor, this.#entry)
        close(offset)
        const value = cursor.stringAt(valueStart, valueEnd)
        if (accept(value)) open = { value, offset }
      }
    }
    if (open !== undefined) close(this.#sampleOffset(known.endSample))
    return out
  }

  /** Where the postings of a label pair stand; undefined where no series has it. ('', '') is all series. */
  find(name: string, value: string): PostingsRange | undefined {
    const known = this.#names.get(name)
    if (known === undefined) return undefined
    const want = Buffer.from(value)
    const sample = this.#sampleBelow(known, want)
    if (sample < known.firstSample) return undefined
    const cursor = this.#sampleCursor(sample)
    while (cursor.remaining > 0) {
      const { valueStart, valueEnd, offset } = readEntry(cursor, this.#entry)
      const order = compareBytes(cursor.bytes, valueStart, valueEnd, want)
      if (order > 0) return undefined
      if (order < 0) continue
      const end = cursor.remaining > 0 ? readEntry(cursor, this.#entry).offset : this.#sampleOffset(sample + 1)
      return { offset, length: end - offset }
    }
    return undefined
  }

  /** The last sample of the name whose value is not above `want`; one before the first where all are. */
  #sampleBelow(name: Name, want: Uint8Array): number {
    let low = name.firstSample
    let high = name.endSample
    while (low < high) {
      const middle = (low + high) >>> 1
      const cursor = this.#sampleCursor(middle)
      const { valueStart, valueEnd } = readEntry(cursor, this.#entry)
      if (compareBytes(cursor.bytes, valueStart, valueEnd, want) <= 0) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** Offset of the list of a sample's first entry; behind the last sample, the lists' end. */
  #sampleOffset(sample: number): number {
    if (sample >= this.#samples.length) return this.#postingsEnd
    return readEntry(this.#sampleCursor(sample), this.#entry).offset
  }

  /** A cursor over the entries from one sample to the next. */
  #sampleCursor(sample: number): Cursor {
    const offset = this.#start + this.#samples[sample]!
    const next = this.#samples[sample + 1]
    const end = next === undefined ? this.#entriesEnd : this.#start + next
    const bytes = this.#bytes.borrowBytes(offset, end - offset)
    return new Cursor(bytes, { file: this.#bytes.name, section, offset })
  }
}

/** Takes the entries one by one, holds them to their order, and keeps the samples. */
class SampleBuilder {
  readonly #range: { readonly offset: number; readonly postings: number; readonly postingsEnd: number }
  readonly #samples = new GrowingUint32()
  readonly #names = new Map<string, Name>()
  readonly #entry = newEntry()
  #name: Name | undefined
  /** Bytes that the last entry was read from, and where its name and value stand there. */
  #lastBytes: Uint8Array = new Uint8Array()
  readonly #last = newEntry()

  constructor(range: { readonly offset: number; readonly postings: number; readonly postingsEnd: number }) {
    this.#range = range
  }

  add(cursor: Cursor, offset: number): void {
    const start = cursor.position
    const entry = readEntry(cursor, this.#entry)
    const isNewName = this.#checkOrder(cursor, start)
    if (this.#name === undefined || isNewName) {
      const firstSample = this.#samples.length
      this.#name = { firstSample, endSample: firstSample, count: 0 }
      this.#names.set(cursor.stringAt(entry.nameStart, entry.nameEnd), this.#name)
    }
    if (this.#name.count++ % sampleEvery === 0) {
      this.#samples.push(offset - this.#range.offset)
      this.#name.endSample++
    }
    Object.assign(this.#last, entry)
    this.#lastBytes = cursor.bytes
  }

  /** True where the entry's name is another one than the last entry's. */
  #checkOrder(cursor: Cursor, start: number): boolean {
    const { nameStart, nameEnd, valueStart, valueEnd, offset } = this.#entry
    const last = this.#last
    const first = this.#name === undefined
    const lastName = this.#lastBytes.subarray(last.nameStart, last.nameEnd)
    const byName = first ? 1 : compareBytes(cursor.bytes, nameStart, nameEnd, lastName)
    const lastValue = this.#lastBytes.subarray(last.valueStart, last.valueEnd)
    const order = byName !== 0 ? byName : compareBytes(cursor.bytes, valueStart, valueEnd, lastValue)
    const floor = first ? this.#range.postings : last.offset + 1
    if (order > 0 && offset >= floor && offset < this.#range.postingsEnd) return byName !== 0
    cursor.position = start
    if (order <= 0) cursor.fail('got label pairs out of order')
    return cursor.fail(`got a postings list at ${offset}, want ${floor} to ${this.#range.postingsEnd}`)
  }

  finish(): { samples: Uint32Array; names: ReadonlyMap<string, Name> } {
    return { samples: this.#samples.finishShared(), names: this.#names }
  }
}

function newEntry(): Entry {
  return { nameStart: 0, nameEnd: 0, valueStart: 0, valueEnd: 0, offset: 0 }
}

/** Reads an entry into `into`, which it returns. */
function readEntry(cursor: Cursor, into: Entry): Entry {
  const keys = cursor.uvarint32()
  if (keys !== keysPerEntry) cursor.fail(`got ${keys} keys in an entry, want ${keysPerEntry}`)
  const nameBytes = cursor.uvarint32()
  into.nameStart = cursor.skip(nameBytes)
  into.nameEnd = into.nameStart + nameBytes
  const valueBytes = cursor.uvarint32()
  into.valueStart = cursor.skip(valueBytes)
  into.valueEnd = into.valueStart + valueBytes
  into.offset = cursor.uvarint()
  return into
}

/** Order of the bytes [start, end) of `a` and all of `b`. */
function compareBytes(a: Uint8Array, start: number, end: number, b: Uint8Array): number {
  const length = Math.min(end - start, b.length)
  for (let i = 0; i < length; i++) {
    const difference = a[start + i]! - b[i]!
    if (difference !== 0) return difference
  }
  return end - start - b.length
}
