// Reads what can be read of a damaged index: its symbols, and every series whose entry is whole, wherever it stands.
// Specification: Prometheus tsdb/docs/format/index.md: entries begin at multiples of 16 and carry a checksum.
// Owns the search. Neither postings nor the table of contents are needed; without symbols nothing can be told.
import { Cursor } from '../bytes/cursor.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import { memoryBytes } from '../bytes/sync-bytes.ts'
import { MnemoError } from '../kit/errors.ts'
import { checkIndexHeader, indexHeaderBytes, readIndexToc, seriesAlignment } from './index-format.ts'
import type { IndexedSeries } from './index-reader.ts'
import { decodeSeriesRecord, SeriesRecord, seriesEntryLength, seriesEntryOf } from './series-entry.ts'
import { SymbolTable } from './symbol-table.ts'

const windowBytes = 4 * 1024 * 1024
/** A longer entry is taken for damage: where a length is garbage, each try would cost its checksum. */
const maxEntryBytes = 1024 * 1024
/** The shortest entry: a length, counts of labels and chunks, a label, a checksum. */
const minEntryBytes = 9

export class IndexSalvage {
  readonly symbols: SymbolTable
  readonly #source: RandomAccess
  readonly #start: number
  readonly #end: number
  #skippedBytes = 0

  private constructor(source: RandomAccess, symbols: SymbolTable, range: { start: number; end: number }) {
    this.#source = source
    this.symbols = symbols
    this.#start = range.start
    this.#end = range.end
  }

  /** Throws `corrupt` where the symbols cannot be read, `unsupported` for another version. */
  static async open(source: RandomAccess, signal?: AbortSignal): Promise<IndexSalvage> {
    if (source.sizeBytes < indexHeaderBytes + 4)
      throw new MnemoError('corrupt', `cannot read ${source.name}: got ${source.sizeBytes} bytes in all`)
    checkIndexHeader(await source.read(0, indexHeaderBytes, signal), source.name)
    const { symbols, start, end } = await sectionsOf(source, signal)
    const bytes = memoryBytes(source.name, await source.read(symbols, start - symbols, signal), symbols)
    const held: RandomAccess = { ...source, read: async (offset, length) => bytes.borrowBytes(offset, length) }
    const table = await SymbolTable.open(held, { offset: symbols, limit: start }, bytes, { signal })
    return new IndexSalvage(source, table, { start, end })
  }

  /** Bytes of the series section that belong to no whole entry, padding aside; known once all series were read. */
  get skippedBytes(): number {
    return this.#skippedBytes
  }

  /** The whole entries, in the order in which they stand. */
  async *series(signal?: AbortSignal): AsyncGenerator<IndexedSeries> {
    const record = new SeriesRecord()
    const lookup = (ref: number) => this.symbols.lookup(ref)
    this.#skippedBytes = 0
    let window = new Uint8Array()
    let windowStart = 0
    for (let at = alignUp(this.#start); at + minEntryBytes <= this.#end; ) {
      if (at + maxEntryBytes > windowStart + window.length && windowStart + window.length < this.#end) {
        windowStart = at
        window = (await this.#source.read(at, Math.min(windowBytes, this.#end - at), signal)) as Uint8Array<ArrayBuffer>
      }
      const place = { file: this.#source.name, section: 'series', offset: windowStart }
      const length = entryAt(new Cursor(window, place, at - windowStart), record, lookup)
      if (length > 0) yield { ref: at / seriesAlignment, ...seriesEntryOf(record, lookup) }
      else if (window.subarray(at - windowStart, at - windowStart + seriesAlignment).some((byte) => byte !== 0))
        this.#skippedBytes += seriesAlignment
      at = alignUp(at + Math.max(1, length))
    }
  }
}

function alignUp(offset: number): number {
  return Math.ceil(offset / seriesAlignment) * seriesAlignment
}

/** Where the symbols begin and the series are: from the table of contents, else from the symbols' length to the file's end. */
async function sectionsOf(
  source: RandomAccess,
  signal: AbortSignal | undefined,
): Promise<{ symbols: number; start: number; end: number }> {
  try {
    const toc = await readIndexToc(source, signal)
    return { symbols: toc.symbols, start: toc.series, end: toc.labelIndices }
  } catch (error) {
    if (!(error instanceof MnemoError && error.code === 'corrupt')) throw error
  }
  const place = { file: source.name, section: 'symbols', offset: indexHeaderBytes }
  const length = new Cursor(await source.read(indexHeaderBytes, 4, signal), place).u32()
  const start = indexHeaderBytes + 4 + length + 4
  if (start > source.sizeBytes)
    throw new MnemoError('corrupt', `cannot read ${source.name}: got ${source.sizeBytes} bytes, want the symbols whole`)
  return { symbols: indexHeaderBytes, start, end: source.sizeBytes }
}

/** The length of the whole entry at the cursor, decoded into `record`; 0 where none begins there. */
function entryAt(cursor: Cursor, record: SeriesRecord, lookup: (ref: number) => string): number {
  try {
    const length = seriesEntryLength(cursor)
    if (length === undefined || length < minEntryBytes || length > Math.min(maxEntryBytes, cursor.remaining)) return 0
    decodeSeriesRecord(cursor, record)
    for (let i = 0; i < record.labelCount * 2; i++) lookup(record.labelRefs[i]!)
    return record.labelCount > 0 ? length : 0
  } catch (error) {
    if (error instanceof MnemoError && error.code === 'corrupt') return 0
    throw error
  }
}
