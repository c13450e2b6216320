// Writes an index as Prometheus 3.14 writes it, byte for byte: symbols, then series in order, then the rest from those.
// Specification: Prometheus tsdb/docs/format/index.md, version 2 (without label indices, which nothing reads).
// Owns the file. Memory is bounded whatever the index's size: what is many goes to disk, and is sorted and merged there.
import { crc32c } from '../bytes/crc32c.ts'
import { Cursor } from '../bytes/cursor.ts'
import { EncodeBuffer } from '../bytes/encode-buffer.ts'
import { FileWriter } from '../bytes/file-writer.ts'
import { MnemoError } from '../kit/errors.ts'
import { compareStrings, formatLabels, type Labels } from '../labels/labels.ts'
import {
  encodeIndexToc,
  indexHeaderBytes,
  indexMagic,
  indexVersion,
  maxIndexBytes,
  maxTableBytes,
  seriesAlignment,
} from './index-format.ts'
import { LabelPairs } from './label-pairs.ts'
import { type PostingsLimits, PostingsWriter } from './postings-writer.ts'
import {
  type ChunkMeta,
  decodeSeriesRecord,
  encodeSeriesRecord,
  fillSeriesRecord,
  SeriesRecord,
  seriesEntryLength,
} from './series-entry.ts'
import { SymbolNumbers } from './symbol-numbers.ts'
import type { SymbolTable } from './symbol-table.ts'

const postingsAlignment = 4
/** Symbols and table entries are handed to the file in pieces of this size. */
const pieceBytes = 256 * 1024
/** Series are read back in pieces of this size. */
const windowBytes = 1024 * 1024

/** For tests: how much is held in memory before the disk is used. */
interface IndexWriterLimits extends PostingsLimits {
  readonly symbolsInMemory?: number
  readonly runTriples?: number
}

export interface IndexWriterOptions extends IndexWriterLimits {
  /** Reads and writes hold the thread. */
  readonly atOnce?: boolean | undefined
}

/** Entries one behind the other, each with what aligns it in the index. */
export interface CopiedEntries {
  readonly entries: Uint8Array
  readonly numSeries: number
  /** References of the first and the last one. */
  readonly firstRef: number
  readonly lastRef: number
}

export class IndexWriter {
  readonly #file: FileWriter
  readonly #out = new EncodeBuffer(4096)
  readonly #scratch = new EncodeBuffer(4096)
  readonly #symbols: SymbolNumbers
  readonly #postings: PostingsWriter
  readonly #pairs: LabelPairs
  #seriesCount = 0
  readonly #record = new SeriesRecord()
  /** The labels of the series before, by their symbols. */
  #lastLabelRefs = new Uint32Array(32)
  #lastLength = 0
  #lastChunkRef = 0
  #seriesStart = 0

  private constructor(file: FileWriter, { symbolsInMemory, runTriples, ...postings }: IndexWriterLimits) {
    this.#file = file
    this.#symbols = new SymbolNumbers(symbolsInMemory === undefined ? {} : { mostInMemory: symbolsInMemory })
    this.#postings = new PostingsWriter(file, postings)
    this.#pairs = new LabelPairs(`${file.path}.label-pairs`, runTriples === undefined ? {} : { runTriples })
  }

  /** Creates the file and writes the symbols: every name and value that a series will have, ascending by bytes. */
  static async create(
    path: string,
    symbols: Iterable<string> | AsyncIterable<string>,
    { atOnce, ...limits }: IndexWriterOptions = {},
  ): Promise<IndexWriter> {
    const writer = new IndexWriter(await FileWriter.create(path, { atOnce }), limits)
    try {
      await writer.#writeSymbols(symbols)
    } catch (error) {
      await writer.abort()
      throw error
    }
    return writer
  }

  /** Series added so far. */
  get seriesCount(): number {
    return this.#seriesCount
  }

  /**
   * Adds a series; label sets ascend, chunks are in order of time and their references never go back.
   * Returns its reference. `labelRefs`, where they are known, are the labels' symbols.
   */
  async addSeries(
    labels: Labels,
    chunks: readonly ChunkMeta[],
    labelRefs: ArrayLike<number> = this.#symbolsOf(labels),
  ): Promise<number> {
    const record = this.#record
    fillSeriesRecord(record, { labelRefs, chunks })
    this.#checkSeries(record, labels)
    const ref = this.#encode(record)
    await this.#file.append(this.#out.borrowBytes())
    this.#added(record)
    return ref
  }

  /** Where the last entry ends. */
  get position(): number {
    return this.#file.position
  }

  /** Adds entries as addSeries() makes them, from `position` on; the first and the last one are checked as there. */
  async copy({ entries, numSeries, firstRef, lastRef }: CopiedEntries): Promise<void> {
    const start = this.#file.position
    const cursor = new Cursor(entries, { file: this.#file.path, section: 'series', offset: start })
    const seen = this.#seriesCount
    for (const ref of firstRef === lastRef ? [firstRef] : [firstRef, lastRef]) {
      cursor.position = ref * seriesAlignment - start
      decodeSeriesRecord(cursor, this.#record)
      this.#checkSeries(this.#record)
      this.#added(this.#record)
    }
    if (cursor.position !== entries.length) throw refused('entries', `${entries.length} bytes`, `${cursor.position}`)
    this.#seriesCount = seen + numSeries
    await this.#file.append(entries)
  }

  /** Puts the entry into `#out`, with what aligns it; returns its reference. */
  #encode(record: SeriesRecord): number {
    const out = this.#out
    const { position } = this.#file
    const start = alignSeries(position)
    out.clear()
    for (let at = position; at < start; at++) out.u8(0)
    encodeSeriesRecord(record, out, this.#scratch)
    return start / seriesAlignment
  }

  #added({ labelRefs, labelCount }: SeriesRecord): void {
    if (this.#file.position > maxIndexBytes)
      throw refused('an index', `more than ${maxIndexBytes} bytes`, 'at most 64 GiB')
    this.#seriesCount++
    const length = labelCount * 2
    if (this.#lastLabelRefs.length < length) this.#lastLabelRefs = new Uint32Array(length * 2)
    for (let i = 0; i < length; i++) this.#lastLabelRefs[i] = labelRefs[i]!
    this.#lastLength = length
  }

  /** Writes postings, their offset table and the table of contents; the file is on disk then, unless not `durable`. Returns its size. */
  async finish(options?: { readonly durable?: boolean }): Promise<number> {
    const file = this.#file
    const labelIndices = file.position
    // Section offsets are noted before their padding, as Prometheus does.
    await file.align(postingsAlignment)
    await this.#writePostings(labelIndices)
    const postingsTable = file.position
    await this.#writeTable()
    await file.append(
      encodeIndexToc({
        symbols: indexHeaderBytes,
        series: this.#seriesStart,
        labelIndices,
        labelOffsetTable: postingsTable,
        postings: labelIndices,
        postingsTable,
      }),
    )
    const size = file.position
    await this.#close()
    await file.finish(options)
    return size
  }

  /** Closes the file, which is of no use then. */
  async abort(): Promise<void> {
    await this.#close()
    await this.#file.abort()
  }

  /** Removes what stands beside the index. */
  async #close(): Promise<void> {
    this.#symbols.close()
    await this.#pairs.close()
    await this.#postings.close()
  }

  async #writeSymbols(symbols: Iterable<string> | AsyncIterable<string>): Promise<void> {
    const file = this.#file
    const out = this.#out
    out.u32(indexMagic)
    out.u8(indexVersion)
    const start = out.length
    out.u32(0)
    out.u32(0)
    let last: string | undefined
    for await (const symbol of symbols) {
      if (last !== undefined && compareStrings(last, symbol) >= 0) {
        throw refused('symbols', `${JSON.stringify(symbol)} after ${JSON.stringify(last)}`, 'them ascending')
      }
      last = symbol
      this.#symbols.add(symbol)
      out.uvarintString(symbol)
      if (out.length > pieceBytes) {
        await file.append(out.borrowBytes())
        out.clear()
      }
    }
    await file.append(out.borrowBytes())
    const end = file.position
    const length = end - start - 4
    if (length > maxTableBytes) throw refused('symbols', `${length} bytes`, `at most ${maxTableBytes}`)
    out.clear()
    out.u32(length)
    out.u32(this.#symbols.count)
    await file.patch(out.borrowBytes(), start)
    out.clear()
    out.u32(await file.crc32c(start + 4, end))
    await file.append(out.borrowBytes())
    this.#seriesStart = file.position
    await this.#symbols.open(file, this.#symbolsRange())
  }

  #symbolsRange(): { offset: number; limit: number } {
    return { offset: indexHeaderBytes, limit: this.#seriesStart }
  }

  /** Symbols are in the order of their bytes, and so their numbers are. */
  #checkSeries(record: SeriesRecord, labels?: Labels): void {
    if (!this.#isBehindLast(record)) {
      const after = `it after symbols ${this.#lastLabelRefs.subarray(0, this.#lastLength)}`
      throw refused(nameOf(record, labels), after, 'them ascending')
    }
    const { chunkCount, minTimes, maxTimes, chunkRefs } = record
    let time = Number.NEGATIVE_INFINITY
    let ref = this.#lastChunkRef
    for (let i = 0; i < chunkCount; i++) {
      if (!(minTimes[i]! > time && maxTimes[i]! >= minTimes[i]! && chunkRefs[i]! >= ref)) {
        const chunk = `a chunk from ${minTimes[i]} to ${maxTimes[i]} with reference ${chunkRefs[i]}`
        throw refused(nameOf(record, labels), `${chunk} after time ${time}, reference ${ref}`, 'them ascending')
      }
      time = maxTimes[i]!
      ref = chunkRefs[i]!
    }
    this.#lastChunkRef = ref
  }

  #isBehindLast({ labelRefs, labelCount }: SeriesRecord): boolean {
    const last = this.#lastLabelRefs
    const common = Math.min(labelCount * 2, this.#lastLength)
    for (let i = 0; i < common; i++) if (labelRefs[i] !== last[i]) return labelRefs[i]! > last[i]!
    return this.#seriesCount === 0 || labelCount * 2 > this.#lastLength
  }

  #symbolsOf(labels: Labels): number[] {
    return labels.map((text) => {
      const ref = this.#symbols.find(text)
      if (ref === undefined)
        throw refused(`series ${formatLabels(labels)}`, JSON.stringify(text), 'a symbol given before')
      return ref
    })
  }

  /** All lists: of all series while those are read back, then, sorted, of each label pair in the order of names and values. */
  async #writePostings(seriesEnd: number): Promise<void> {
    await this.#postings.begin('', '')
    await this.#readSeriesBack(seriesEnd)
    await this.#postings.end()
    const texts = await this.#symbols.toTexts(this.#file, this.#symbolsRange())
    await this.#writePairs(texts)
  }

  async #writePairs(texts: SymbolTable): Promise<void> {
    let name = -1
    let value = -1
    for await (const triples of this.#pairs.sorted()) {
      for (let at = 0; at < triples.length; at += 3) {
        // Symbols are in the order of their bytes, and so their numbers are in the order of names and values.
        if (triples[at] !== name || triples[at + 1] !== value) {
          if (name >= 0) await this.#postings.end()
          name = triples[at]!
          value = triples[at + 1]!
          await this.#postings.begin(texts.lookup(name), texts.lookup(value))
        }
        if (this.#postings.push(triples[at + 2]!)) await this.#postings.flush()
      }
    }
    if (name >= 0) await this.#postings.end()
  }

  async #readSeriesBack(end: number): Promise<void> {
    const file = this.#file
    let window = windowBytes
    for (let at = alignSeries(this.#seriesStart); at < end; ) {
      const bytes = await file.read(at, Math.min(window, end - at))
      const cursor = new Cursor(bytes, { file: file.path, section: 'series', offset: at })
      const moved = await this.#takeSeries(cursor)
      // An entry larger than the window.
      if (moved === 0) window *= 2
      at += moved
    }
  }

  /** Takes the labels of all entries that lie in the window whole; returns how far it came, padding included. */
  async #takeSeries(cursor: Cursor): Promise<number> {
    let moved = 0
    while (moved < cursor.end) {
      cursor.position = moved
      const length = seriesEntryLength(cursor)
      if (length === undefined || length > cursor.remaining) break
      const ref = (cursor.place.offset + moved) / seriesAlignment
      if (this.#postings.push(ref)) await this.#postings.flush()
      cursor.uvarint32()
      for (let labels = cursor.uvarint32(); labels > 0; labels--)
        if (this.#pairs.push(cursor.uvarint32(), cursor.uvarint32(), ref)) await this.#pairs.spill()
      moved = alignSeries(moved + length)
    }
    return moved
  }

  /** Frames the postings offset table's entries. */
  async #writeTable(): Promise<void> {
    const length = this.#postings.tableBytes + 4
    if (length > maxTableBytes) throw refused('postings offset table', `${length} bytes`, `at most ${maxTableBytes}`)
    const head = new EncodeBuffer()
    head.u32(length)
    head.u32(this.#postings.count)
    await this.#file.append(head.borrowBytes())
    const crc = await this.#postings.appendTable(crc32c(head.borrowBytes(4)))
    head.clear()
    head.u32(crc)
    await this.#file.append(head.borrowBytes())
  }
}

function nameOf({ labelRefs, labelCount }: SeriesRecord, labels: Labels | undefined): string {
  return `series ${labels ? formatLabels(labels) : `of symbols ${labelRefs.subarray(0, labelCount * 2)}`}`
}

function alignSeries(offset: number): number {
  return Math.ceil(offset / seriesAlignment) * seriesAlignment
}

function refused(what: string, got: string, want: string): MnemoError {
  return new MnemoError('internal', `cannot write ${what}: got ${got}, want ${want}`)
}
