// A block's index-header on local disk: the parts of an index that a store needs at hand to find its way in the rest.
// Specification: Thanos pkg/block/indexheader; the file's frame is in index-header-format.ts.
// Owns the open file until close(); every 32nd symbol's and label value's offset is in memory, pages come from a cache.
import { readFileSync, statSync } from 'node:fs'
import { bufferRandomAccess, type FileRandomAccess, fileError, fileRandomAccess } from '../bytes/random-access.ts'
import { PageCache, PagedFile } from '../bytes/sync-bytes.ts'
import type { IndexToc } from '../tsdb/index-format.ts'
import { type PostingsRange, PostingsTable, type SharedPostings, type ValuePostings } from '../tsdb/postings-table.ts'
import { type SharedSymbols, SymbolTable } from '../tsdb/symbol-table.ts'
import { type IndexHeaderLayout, readIndexHeaderLayout } from './index-header-format.ts'

/** Pages kept for a header whose caller brings no cache. */
const ownCacheBytes = 256 * 1024
/** A file of no more is read at once, as pages are: of thousands of blocks most are small, and ways to another thread cost more. */
const smallBytes = 64 * 1024

export interface IndexHeaderOptions {
  /** One cache for many headers of a thread, so that their pages together are bounded. */
  readonly pages?: PageCache
  readonly signal?: AbortSignal
}

/** An open index-header as data that travels between threads; what is large of it is shared memory. */
export interface SharedIndexHeader {
  readonly path: string
  readonly toc: IndexToc
  readonly indexBytes: number
  readonly symbols: SharedSymbols
  readonly postings: SharedPostings
}

/** Look-ups are synchronous: microseconds, from the page cache or the system's. */
export class IndexHeader {
  /** The index's table of contents: offsets in the index, not in this file. */
  readonly toc: IndexToc
  /** Size of the index in the bucket. */
  readonly indexBytes: number
  readonly #file: PagedFile
  readonly #symbols: SymbolTable
  readonly #postings: PostingsTable

  private constructor(
    layout: Pick<IndexHeaderLayout, 'toc' | 'indexBytes'>,
    parts: { readonly file: PagedFile; readonly symbols: SymbolTable; readonly postings: PostingsTable },
  ) {
    this.toc = layout.toc
    this.indexBytes = layout.indexBytes
    this.#file = parts.file
    this.#symbols = parts.symbols
    this.#postings = parts.postings
  }

  /**
   * Opens the file and reads it once, every checksum verified. Throws `not_found`, or `corrupt` where it is truncated
   * or damaged: the header is to be built anew then.
   */
  static async open(path: string, options: IndexHeaderOptions = {}): Promise<IndexHeader> {
    const file = new PagedFile(path, options.pages ?? new PageCache(ownCacheBytes))
    let source: FileRandomAccess | undefined
    try {
      source = readIfSmall(path) ?? (await fileRandomAccess(path))
      const layout = await readIndexHeaderLayout(source, options.signal)
      return new IndexHeader(layout, { file, ...(await openTables(source, file, { layout, signal: options.signal })) })
    } catch (error) {
      file.close()
      throw error
    } finally {
      await source?.close()
    }
  }

  /** The header that another thread has opened: nothing is read but what is looked up. */
  static attach(shared: SharedIndexHeader, pages: PageCache): IndexHeader {
    const file = new PagedFile(shared.path, pages)
    const symbols = SymbolTable.attach(shared.symbols, file)
    return new IndexHeader(shared, { file, symbols, postings: PostingsTable.attach(shared.postings, file) })
  }

  share(): SharedIndexHeader {
    const { toc, indexBytes } = this
    return { path: this.#file.name, toc, indexBytes, symbols: this.#symbols.share(), postings: this.#postings.share() }
  }

  /** The symbol of a reference; `corrupt` where there is none. */
  symbol(ref: number): string {
    return this.#symbols.lookup(ref)
  }

  /** The reference of a symbol; undefined where the block has none. */
  findSymbol(text: string): number | undefined {
    return this.#symbols.find(text)
  }

  /** Ascending by bytes. */
  labelNames(): string[] {
    return this.#postings.labelNames()
  }

  /** Ascending by bytes, the first `limit` of them (0: all); none for an unknown name. */
  labelValues(name: string, limit = 0): string[] {
    return this.#postings.labelValues(name, limit)
  }

  /** How many values a name has. */
  valueCount(name: string): number {
    return this.#postings.valueCount(name)
  }

  /**
   * Where in the index a label pair's postings list stands, length field and checksum with it, as decodePostings wants
   * it; undefined where no series has the label. ('', '') is the list of all series.
   */
  postingsRange(name: string, value: string): PostingsRange | undefined {
    return this.#postings.find(name, value)
  }

  /** The ranges of many values of one name, in the values' order. */
  postingsRanges(name: string, values: readonly string[]): (PostingsRange | undefined)[] {
    return values.map((value) => this.#postings.find(name, value))
  }

  /** The values that `accept` accepts with their ranges, ascending by bytes: for matchers that test every value. */
  selectValues(name: string, accept: (value: string) => boolean): ValuePostings[] {
    return this.#postings.selectValues(name, accept)
  }

  close(): void {
    this.#file.close()
  }
}

/** Undefined where it is larger, or not there. */
function readIfSmall(path: string): FileRandomAccess | undefined {
  try {
    const stats = statSync(path, { throwIfNoEntry: false })
    if (!stats?.isFile() || stats.size > smallBytes) return undefined
    return { ...bufferRandomAccess(path, readFileSync(path)), close: async () => {} }
  } catch (error) {
    throw fileError(`cannot read ${path}`, error)
  }
}

async function openTables(
  source: FileRandomAccess,
  file: PagedFile,
  opened: { readonly layout: IndexHeaderLayout; readonly signal: AbortSignal | undefined },
): Promise<{ symbols: SymbolTable; postings: PostingsTable }> {
  const { layout, signal } = opened
  const { toc } = layout
  const symbolsRange = { offset: layout.symbols, limit: layout.postingsTable }
  const tableRange = { offset: layout.postingsTable, limit: layout.indexToc }
  const listsRange = { postings: toc.postings, postingsEnd: toc.labelOffsetTable }
  return {
    symbols: await SymbolTable.open(source, symbolsRange, file, { signal }),
    postings: await PostingsTable.open(source, { ...tableRange, ...listsRange }, file, signal),
  }
}
