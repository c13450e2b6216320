// Reads an index by position, from a file or a bucket alike: symbols, label names and values, postings, series.
// Specification: Prometheus tsdb/docs/format/index.md, version 2. Every checksum is verified before its bytes are used.
// Owns the two tables' bytes in memory; postings and series are read when asked for.
import { Cursor, corruptError } from '../bytes/cursor.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import { readAhead } from '../bytes/read-ahead.ts'
import { memoryBytes } from '../bytes/sync-bytes.ts'
import { type IndexToc, indexTocBytes, maxTableBytes, readIndexToc, seriesAlignment } from './index-format.ts'
import { decodePostings } from './postings.ts'
import { PostingsTable } from './postings-table.ts'
import {
  decodeSeriesEntry,
  decodeSeriesRecord,
  type SeriesEntry,
  SeriesRecord,
  seriesEntryLength,
  seriesEntryOf,
} from './series-entry.ts'
import { SymbolTable } from './symbol-table.ts'

/** Read at once for one series; a longer entry costs a second read. */
const seriesGuessBytes = 4096
/** The symbols' bytes are at hand anyway: more decoded strings pay off in a pass over all series. */
const symbolCacheEntries = 65_536

export interface IndexedSeries extends SeriesEntry {
  /** Offset of the entry divided by 16: what postings hold. */
  readonly ref: number
}

export class IndexReader {
  readonly toc: IndexToc
  readonly symbols: SymbolTable
  readonly #source: RandomAccess
  readonly #postings: PostingsTable
  readonly #lookup: (ref: number) => string

  private constructor(fields: { source: RandomAccess; toc: IndexToc; symbols: SymbolTable; postings: PostingsTable }) {
    this.toc = fields.toc
    this.symbols = fields.symbols
    this.#source = fields.source
    this.#postings = fields.postings
    this.#lookup = (ref) => fields.symbols.lookup(ref)
  }

  /** Reads header, table of contents and both tables. Throws `corrupt`, or `unsupported` for another version than 2. */
  static async open(source: RandomAccess, signal?: AbortSignal): Promise<IndexReader> {
    const toc = await readIndexToc(source, signal)
    const [symbols, postings] = await Promise.all([
      openSymbols(source, toc, signal),
      openPostingsTable(source, toc, signal),
    ])
    return new IndexReader({ source, toc, symbols, postings })
  }

  /** Ascending by bytes. */
  labelNames(): string[] {
    return this.#postings.labelNames()
  }

  /** Ascending by bytes; none for an unknown name. */
  labelValues(name: string): string[] {
    return this.#postings.labelValues(name)
  }

  /** References of the series that have the label, ascending; empty where none has. */
  async postings(name: string, value: string, signal?: AbortSignal): Promise<Uint32Array> {
    const range = this.#postings.find(name, value)
    if (range === undefined) return new Uint32Array()
    const bytes = await this.#source.read(range.offset, range.length, signal)
    return decodePostings(bytes, { file: this.#source.name, section: 'postings', offset: range.offset })
  }

  /** References of all series, in the order of their label sets. */
  allPostings(signal?: AbortSignal): Promise<Uint32Array> {
    return this.postings('', '', signal)
  }

  /** The series of a reference. */
  async series(ref: number, signal?: AbortSignal): Promise<SeriesEntry> {
    const offset = ref * seriesAlignment
    const { series, labelIndices } = this.toc
    if (offset < series || offset >= labelIndices) {
      this.#cursor(new Uint8Array(), offset).fail(`got a reference outside of ${series} to ${labelIndices}`)
    }
    const room = labelIndices - offset
    let cursor: Cursor = this.#cursor(await this.#source.read(offset, Math.min(seriesGuessBytes, room), signal), offset)
    const length = seriesEntryLength(cursor)
    if (length === undefined || length > room) cursor.fail(`got an entry beyond the section's end at ${labelIndices}`)
    if (length > cursor.remaining) cursor = this.#cursor(await this.#source.read(offset, length, signal), offset)
    return decodeSeriesEntry(cursor, this.#lookup)
  }

  /** All series, in the order of their label sets: one pass with read-ahead, in bounded memory. */
  async *allSeries(signal?: AbortSignal): AsyncGenerator<IndexedSeries> {
    const end = this.toc.labelIndices
    const record = new SeriesRecord()
    let offset = this.toc.series
    let rest = new Uint8Array()
    for await (const piece of readAhead(this.#source, { start: offset, end }, signal)) {
      const cursor = this.#cursor(rest.length === 0 ? piece : Buffer.concat([rest, piece]), offset)
      while (this.#toNextEntry(cursor)) {
        const ref = (offset + cursor.position) / seriesAlignment
        decodeSeriesRecord(cursor, record)
        yield { ref, ...seriesEntryOf(record, this.#lookup) }
      }
      rest = cursor.bytes.slice(cursor.position)
      offset += cursor.position
    }
    if (rest.length > 0) this.#cursor(rest, offset).fail('got the end of the section inside an entry')
  }

  /** Skips padding; false where what is left is cut. */
  #toNextEntry(cursor: Cursor): boolean {
    const over = (cursor.place.offset + cursor.position) % seriesAlignment
    if (over !== 0) cursor.skip(Math.min(cursor.remaining, seriesAlignment - over))
    const length = seriesEntryLength(cursor)
    if (length === undefined) return false
    const room = this.toc.labelIndices - cursor.place.offset - cursor.position
    if (length > room) cursor.fail(`got an entry of ${length} bytes, want at most ${room}`)
    return length <= cursor.remaining
  }

  #cursor(bytes: Uint8Array, offset: number): Cursor {
    return new Cursor(bytes, { file: this.#source.name, section: 'series', offset })
  }
}

/** The symbol table of an index, its bytes held in memory. */
async function openSymbols(source: RandomAccess, toc: IndexToc, signal?: AbortSignal): Promise<SymbolTable> {
  const range = { offset: toc.symbols, limit: toc.series }
  const held = await hold(source, range, signal)
  return SymbolTable.open(held.source, range, held.bytes, { cacheEntries: symbolCacheEntries, signal })
}

async function openPostingsTable(source: RandomAccess, toc: IndexToc, signal?: AbortSignal): Promise<PostingsTable> {
  const range = { offset: toc.postingsTable, limit: source.sizeBytes - indexTocBytes }
  const held = await hold(source, range, signal)
  const lists = { postings: toc.postings, postingsEnd: toc.labelOffsetTable }
  return PostingsTable.open(held.source, { ...range, ...lists }, held.bytes, signal)
}

/** A range of a file, read once: to be scanned, and to be looked into. */
async function hold(source: RandomAccess, range: { offset: number; limit: number }, signal?: AbortSignal) {
  const length = range.limit - range.offset
  if (length > maxTableBytes) {
    const place = { file: source.name, section: 'tables', offset: range.offset }
    throw corruptError(place, 0, `got ${length} bytes, want at most ${maxTableBytes}`)
  }
  const bytes = memoryBytes(source.name, await source.read(range.offset, length, signal), range.offset)
  const held: RandomAccess = {
    name: source.name,
    sizeBytes: source.sizeBytes,
    read: async (offset, count) => bytes.borrowBytes(offset, count),
  }
  return { source: held, bytes }
}
