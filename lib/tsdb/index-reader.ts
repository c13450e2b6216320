// Reads an index by position, from a file or a bucket alike: symbols, label names and values, postings, series.
// Specification: Prometheus tsdb/docs/format/index.md, version 2. Every checksum is verified before its bytes are used.
// Owns the two tables' bytes, in memory or in a file beside; postings and series are read when asked for.
import { Cursor } from '../bytes/cursor.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import { type IndexToc, indexTocBytes, readIndexToc, seriesAlignment } from './index-format.ts'
import { openTables, type TableSource } from './index-tables.ts'
import { decodePostings } from './postings.ts'
import { PostingsTable } from './postings-table.ts'
import { decodeSeriesEntry, type SeriesEntry, seriesEntryLength, seriesEntryOf } from './series-entry.ts'
import { SeriesScan } from './series-scan.ts'
import { SymbolTable } from './symbol-table.ts'

/** Read at once for one series; a longer entry costs a second read. */
const seriesGuessBytes = 4096
/** The symbols' bytes are at hand anyway: more decoded strings pay off in a pass over all series. */
const symbolCacheEntries = 65_536

export interface IndexedSeries extends SeriesEntry {
  /** Offset of the entry divided by 16: what postings hold. */
  readonly ref: number
}

export interface IndexReaderOptions {
  /** A path that is free: large tables are copied there rather than held in memory. The file is gone when `close` is called. */
  readonly spoolPath?: string
  /** Tables of no more bytes are held in memory all the same; 8 MiB unless told. */
  readonly mostInMemoryBytes?: number
}

export class IndexReader {
  readonly toc: IndexToc
  readonly symbols: SymbolTable
  readonly #source: RandomAccess
  readonly #postings: PostingsTable
  readonly #lookup: (ref: number) => string

  readonly #tables: TableSource

  private constructor(fields: {
    source: RandomAccess
    toc: IndexToc
    symbols: SymbolTable
    postings: PostingsTable
    tables: TableSource
  }) {
    this.toc = fields.toc
    this.symbols = fields.symbols
    this.#source = fields.source
    this.#postings = fields.postings
    this.#tables = fields.tables
    this.#lookup = (ref) => fields.symbols.lookup(ref)
  }

  /** Reads header, table of contents and both tables. Throws `corrupt`, or `unsupported` for another version than 2. */
  static async open(
    source: RandomAccess,
    signal?: AbortSignal,
    options: IndexReaderOptions = {},
  ): Promise<IndexReader> {
    const toc = await readIndexToc(source, signal)
    const symbolsRange = { offset: toc.symbols, limit: toc.series }
    const postingsRange = { offset: toc.postingsTable, limit: source.sizeBytes - indexTocBytes }
    const tables = await openTables(source, { ranges: [symbolsRange, postingsRange], ...options }, signal)
    try {
      const cacheEntries = symbolCacheEntries
      const symbols = await SymbolTable.open(tables.access, symbolsRange, tables.at(0), { cacheEntries, signal })
      const lists = { postings: toc.postings, postingsEnd: toc.labelOffsetTable }
      const postings = await PostingsTable.open(tables.access, { ...postingsRange, ...lists }, tables.at(1), signal)
      return new IndexReader({ source, toc, symbols, postings, tables })
    } catch (error) {
      tables.close()
      throw error
    }
  }

  /** Closes the file that tables were copied to, if there is one. */
  close(): void {
    this.#tables.close()
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

  /** Every postings list in the order of its label pair, that of all series, ('', ''), first: one pass. */
  async *postingsLists(signal?: AbortSignal): AsyncGenerator<{ name: string; value: string; refs: Uint32Array }> {
    for (const { name, value, offset, length } of this.#postings.lists()) {
      signal?.throwIfAborted()
      const bytes = await this.#source.read(offset, length, signal)
      const place = { file: this.#source.name, section: 'postings', offset }
      yield { name, value, refs: decodePostings(bytes, place) }
    }
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
    const scan = this.scan(signal)
    try {
      while (await scan.next()) yield this.seriesOf(scan)
    } finally {
      await scan.close()
    }
  }

  /** The same pass without an object a series; the caller closes it. */
  scan(signal?: AbortSignal): SeriesScan {
    return new SeriesScan(this.#source, { start: this.toc.series, end: this.toc.labelIndices }, signal)
  }

  /** The series at hand as an object. Throws `corrupt` where it has a symbol that is not in the table. */
  seriesOf({ ref, record }: SeriesScan): IndexedSeries {
    return { ref, ...seriesEntryOf(record, this.#lookup) }
  }

  #cursor(bytes: Uint8Array, offset: number): Cursor {
    return new Cursor(bytes, { file: this.#source.name, section: 'series', offset })
  }
}
