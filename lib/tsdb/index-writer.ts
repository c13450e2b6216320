// Writes an index as Prometheus 3.14 writes it, byte for byte: symbols, then series in order, then the rest from those.
// Specification: Prometheus tsdb/docs/format/index.md, version 2 (without label indices, which nothing reads).
// Owns the file. Postings are made from passes over the series just written, so memory follows symbols, not series × labels.
import { EncodeBuffer } from '../bytes/encode-buffer.ts'
import { FileWriter } from '../bytes/file-writer.ts'
import { MnemoError } from '../kit/errors.ts'
import { compareLabels, compareStrings, formatLabels, type Labels } from '../labels/labels.ts'
import { GrowingUint32 } from './growing-uint32.ts'
import {
  encodeIndexToc,
  indexHeaderBytes,
  indexMagic,
  indexVersion,
  maxIndexBytes,
  maxTableBytes,
  seriesAlignment,
} from './index-format.ts'
import { encodePostings } from './postings.ts'
import { collectPostings, planPostingsPasses } from './postings-collect.ts'
import { type ChunkMeta, encodeSeriesEntry } from './series-entry.ts'

const postingsAlignment = 4
/** Symbols and table entries are handed to the file in pieces of this size. */
const pieceBytes = 256 * 1024

export class IndexWriter {
  readonly #file: FileWriter
  readonly #out = new EncodeBuffer(4096)
  readonly #scratch = new EncodeBuffer(4096)
  readonly #symbolRefs = new Map<string, number>()
  /** How many series have a label of this name, by the name's symbol. */
  readonly #nameUses = new Map<number, number>()
  readonly #seriesRefs = new GrowingUint32()
  #lastLabels: Labels | undefined
  #lastChunkRef = 0
  #seriesStart = 0

  private constructor(file: FileWriter) {
    this.#file = file
  }

  /** Creates the file and writes the symbols: every name and value that a series will have, ascending by bytes. */
  static async create(path: string, symbols: Iterable<string> | AsyncIterable<string>): Promise<IndexWriter> {
    const writer = new IndexWriter(await FileWriter.create(path))
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
    return this.#seriesRefs.length
  }

  /**
   * Adds a series; label sets ascend, chunks are in order of time and their references never go back.
   * Returns its reference.
   */
  async addSeries(labels: Labels, chunks: readonly ChunkMeta[]): Promise<number> {
    this.#checkSeries(labels, chunks)
    const labelRefs = this.#symbolsOf(labels)
    await this.#file.align(seriesAlignment)
    const ref = this.#file.position / seriesAlignment
    this.#out.clear()
    encodeSeriesEntry({ labelRefs, chunks }, this.#out, this.#scratch)
    await this.#file.append(this.#out.borrowBytes())
    if (this.#file.position > maxIndexBytes)
      throw refused('an index', `more than ${maxIndexBytes} bytes`, 'at most 64 GiB')
    this.#seriesRefs.push(ref)
    this.#lastLabels = labels
    return ref
  }

  /** Writes postings, their offset table and the table of contents; the file is on disk when this returns. Returns its size. */
  async finish(): Promise<number> {
    const file = this.#file
    const labelIndices = file.position
    const table = new EncodeBuffer(pieceBytes)
    // Section offsets are noted before their padding, as Prometheus does.
    await file.align(postingsAlignment)
    const count = await this.#writePostings(labelIndices, table)
    const postingsTable = file.position
    await this.#writeTable(table, count)
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
    await file.finish()
    return size
  }

  /** Closes the file, which is of no use then. */
  async abort(): Promise<void> {
    await this.#file.abort()
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
      this.#symbolRefs.set(symbol, this.#symbolRefs.size)
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
    out.u32(this.#symbolRefs.size)
    await file.patch(out.borrowBytes(), start)
    out.clear()
    out.u32(await file.crc32c(start + 4, end))
    await file.append(out.borrowBytes())
    this.#seriesStart = file.position
  }

  #checkSeries(labels: Labels, chunks: readonly ChunkMeta[]): void {
    if (this.#lastLabels !== undefined && compareLabels(this.#lastLabels, labels) >= 0) {
      throw refused('series', `${formatLabels(labels)} after ${formatLabels(this.#lastLabels)}`, 'them ascending')
    }
    let time = Number.NEGATIVE_INFINITY
    for (const { minTime, maxTime, ref } of chunks) {
      if (minTime > time && maxTime >= minTime && ref >= this.#lastChunkRef) {
        time = maxTime
        this.#lastChunkRef = ref
        continue
      }
      const got = `a chunk from ${minTime} to ${maxTime} with reference ${ref} after time ${time}, reference ${this.#lastChunkRef}`
      throw refused(`series ${formatLabels(labels)}`, got, 'them ascending')
    }
  }

  #symbolsOf(labels: Labels): number[] {
    const refs: number[] = []
    for (const [i, text] of labels.entries()) {
      const ref = this.#symbolRefs.get(text)
      if (ref === undefined)
        throw refused(`series ${formatLabels(labels)}`, JSON.stringify(text), 'a symbol given before')
      refs.push(ref)
      if (i % 2 === 0) this.#nameUses.set(ref, (this.#nameUses.get(ref) ?? 0) + 1)
    }
    return refs
  }

  /** Writes all lists, in the order of names and values, and their entries into `table`; returns their number. */
  async #writePostings(seriesEnd: number, table: EncodeBuffer): Promise<number> {
    let count = 0
    const write = async (name: string, value: string, refs: Uint32Array) => {
      table.uvarint(2)
      table.uvarintString(name)
      table.uvarintString(value)
      table.uvarint(this.#file.position)
      await this.#file.append(encodePostings(refs))
      count++
    }
    await write('', '', this.#seriesRefs.finish())
    // Symbols are in the order of their bytes, and so their references are in the order of names and values.
    const symbols = [...this.#symbolRefs.keys()]
    const section = { start: this.#seriesStart, end: seriesEnd }
    for (const uses of planPostingsPasses(this.#nameUses, this.#seriesRefs.length)) {
      for (const list of await collectPostings(this.#file, section, { uses, symbolCount: symbols.length })) {
        const name = symbols[list.nameRef]!
        for (const [i, valueRef] of list.valueRefs.entries()) {
          await write(name, symbols[valueRef]!, list.seriesRefs.subarray(list.starts[i], list.starts[i + 1]))
        }
      }
    }
    return count
  }

  /** Frames the postings offset table's entries. */
  async #writeTable(entries: EncodeBuffer, count: number): Promise<void> {
    const length = entries.length + 4
    if (length > maxTableBytes) throw refused('postings offset table', `${length} bytes`, `at most ${maxTableBytes}`)
    const start = this.#file.position
    this.#out.clear()
    this.#out.u32(length)
    this.#out.u32(count)
    await this.#file.append(this.#out.borrowBytes())
    await this.#file.append(entries.borrowBytes())
    this.#out.clear()
    this.#out.u32(await this.#file.crc32c(start + 4, this.#file.position))
    await this.#file.append(this.#out.borrowBytes())
  }
}

function refused(what: string, got: string, want: string): MnemoError {
  return new MnemoError('internal', `cannot write ${what}: got ${got}, want ${want}`)
}
