// A block's index in the bucket: postings of matchers, and series entries, from byte ranges of the index object.
// Where a posting list lies, and the words behind symbol numbers, tells the index-header; a series entry's size is told by itself.
// Owns the order of reads (look up, plan, fetch, decode); pages and their cache are index-pages.ts.
import { type BytePlace, Cursor, corruptError } from '../bytes/cursor.ts'
import { MnemoError } from '../kit/errors.ts'
import type { LabelMatcher } from '../labels/matcher.ts'
import { seriesAlignment } from '../tsdb/index-format.ts'
import { decodePostings } from '../tsdb/postings.ts'
import type { PostingsRange } from '../tsdb/postings-table.ts'
import { decodeSeriesRecord, SeriesRecord, seriesEntryLength } from '../tsdb/series-entry.ts'
import { allOrAbort } from './fetch.ts'
import { pageBytes } from './index-cache.ts'
import { type IndexObject, IndexPages, onceMoreIfCorrupt } from './index-pages.ts'
import { intersect, type PostingGroup, postingGroups, subtract, union } from './postings.ts'
import type { ReadStats } from './read-stats.ts'
import type { BlockSeriesCache } from './series-cache.ts'
import { type EntryRange, type IndexedSeries, IndexedSeriesCopier, touchesRange } from './series-entry.ts'

/** What is asked of an index-header; all of it is at hand without waiting. */
export interface IndexLookup {
  /** A list's place in the index object, length field and checksum with it; ('', '') is all series. */
  postingsRange(name: string, value: string): PostingsRange | undefined
  /** The places of all values that `accept` accepts. */
  selectValues(name: string, accept: (value: string) => boolean): readonly PostingsRange[]
  labelNames(): string[]
  labelValues(name: string, limit: number): string[]
  symbol(ref: number): string
}

/** Selected series in the order of the index. */
export interface EntryBatch {
  readonly series: readonly IndexedSeries[]
  readonly isLast: boolean
}

/** Most entries are smaller; one that is not is read again (Thanos over-fetches 64 KiB for each). */
const defaultEntryBytes = 512
/** Posting lists of one label that are larger than this in all are not read. */
const maxPostingsBytes = 1 << 30
const maxBatchSeries = 2_000

export class BlockIndex {
  readonly #lookup: IndexLookup
  readonly #object: IndexObject
  readonly #known: BlockSeriesCache
  readonly #entryBytes: number

  /** `seriesMaxBytes` is the meta's index_stats.series_max_size, where it has one. */
  constructor(options: {
    lookup: IndexLookup
    object: IndexObject
    known: BlockSeriesCache
    seriesMaxBytes?: number | undefined
  }) {
    this.#lookup = options.lookup
    this.#object = options.object
    this.#known = options.known
    this.#entryBytes = Math.min(options.seriesMaxBytes ?? defaultEntryBytes, pageBytes)
  }

  /** References of the series that all matchers accept, ascending; no matchers: of all series. */
  async postings(matchers: readonly LabelMatcher[], stats: ReadStats, signal: AbortSignal): Promise<Uint32Array> {
    const groups = postingGroups(matchers).map((group) => ({ ...group, ranges: this.#rangesOf(group) }))
    if (groups.some(({ subtract, ranges }) => !subtract && ranges.length === 0)) return new Uint32Array(0)
    if (groups.every((group) => group.subtract)) {
      const all = this.#lookup.postingsRange('', '')
      groups.push({ name: '', subtract: false, values: [''], wants: () => true, ranges: all ? [all] : [] })
    }
    const lists = await allOrAbort(
      signal,
      groups.map(
        ({ name, ranges }) =>
          (signal) =>
            this.#union(name, ranges, stats, signal),
      ),
    )
    const added = lists.filter((_, i) => !groups[i]!.subtract).sort((a, b) => a.length - b.length)
    const removed = lists.filter((_, i) => groups[i]!.subtract)
    return removed.reduce(subtract, added.reduce(intersect))
  }

  #rangesOf({ name, values, wants }: PostingGroup): PostingsRange[] {
    const ranges = values
      ? values.map((value) => this.#lookup.postingsRange(name, value)).filter((range) => range !== undefined)
      : this.#lookup.selectValues(name, wants)
    return [...ranges].sort((a, b) => a.offset - b.offset)
  }

  async #union(name: string, ranges: PostingsRange[], stats: ReadStats, signal: AbortSignal): Promise<Uint32Array> {
    const offsets = ranges.map(({ offset }) => offset)
    const lengths = ranges.map(({ length }) => length)
    const bytes = lengths.reduce((sum, length) => sum + length, 0)
    if (bytes > maxPostingsBytes) {
      const got = `got ${bytes} bytes for ${ranges.length} values, want at most ${maxPostingsBytes}`
      throw new MnemoError(
        'resource_exhausted',
        `cannot read postings of label ${name} of ${this.#object.name}: ${got}`,
      )
    }
    const pages = new IndexPages(this.#object, stats.postings)
    const lists = await onceMoreIfCorrupt(async () => {
      await pages.load(offsets, lengths, signal)
      return ranges.map(({ offset, length }) =>
        pages.decode(offset, length, (bytes) => decodePostings(bytes, this.#place('postings', offset))),
      )
    })
    stats.postings.fetched += ranges.length
    stats.postings.touched += ranges.length
    stats.postings.touchedBytes += bytes
    return union(lists)
  }

  /**
   * The entries of the series, in the references' order, in batches that are bounded in number and in bytes of pages;
   * those without a chunk in the filter's range are left out.
   */
  async *entries(
    refs: Uint32Array,
    filter: EntryRange & { readonly maxBatchBytes: number },
    stats: ReadStats,
    signal: AbortSignal,
  ): AsyncGenerator<EntryBatch, void> {
    for (let start = 0; start < refs.length; ) {
      const end = batchEnd(refs, start, filter.maxBatchBytes)
      const series = await this.#batch(refs.subarray(start, end), filter, stats, signal)
      yield { series, isLast: end === refs.length }
      start = end
    }
  }

  /** One series, whatever its times; without its chunks. */
  async entry(ref: number, stats: ReadStats, signal: AbortSignal): Promise<IndexedSeries | undefined> {
    const always = { minTime: -Infinity, maxTime: Infinity }
    const [series] = await this.#batch(Uint32Array.of(ref), always, stats, signal)
    return series
  }

  async #batch(refs: Uint32Array, range: EntryRange, stats: ReadStats, signal: AbortSignal): Promise<IndexedSeries[]> {
    const known = new Array<IndexedSeries | undefined>(refs.length)
    const missing: number[] = []
    for (let i = 0; i < refs.length; i++) {
      known[i] = this.#known.get(refs[i]!)
      if (known[i] === undefined) missing.push(refs[i]!)
    }
    const read = missing.length > 0 ? await this.#read(missing, stats, signal) : []
    stats.series.fetched += refs.length
    let next = 0
    const selected: IndexedSeries[] = []
    for (const one of known) {
      const series = one ?? read[next++]!
      stats.series.touched++
      stats.series.touchedBytes += series.entryBytes
      if (touchesRange(series, range)) selected.push(series)
    }
    return selected
  }

  async #read(refs: readonly number[], stats: ReadStats, signal: AbortSignal): Promise<IndexedSeries[]> {
    const pages = new IndexPages(this.#object, stats.series)
    const offsets = refs.map((ref) => ref * seriesAlignment)
    const lengths = new Array<number>(refs.length).fill(this.#entryBytes)
    return onceMoreIfCorrupt(async () => {
      await pages.load(offsets, lengths, signal)
      await this.#loadLongEntries(offsets, pages, stats, signal)
      return this.#decode(offsets, pages)
    })
  }

  #decode(offsets: readonly number[], pages: IndexPages): IndexedSeries[] {
    const record = new SeriesRecord()
    const copier = new IndexedSeriesCopier(offsets.length)
    return offsets.map((offset) =>
      pages.decode(offset, this.#entrySize(offset, pages), (bytes) => {
        decodeSeriesRecord(new Cursor(bytes, this.#place('series', offset)), record)
        const series = copier.copy(offset / seriesAlignment, record, bytes.length)
        this.#known.keep(series)
        return series
      }),
    )
  }

  /** Entries that are longer than was assumed and go on in the next page: what is missing, in one more round. */
  async #loadLongEntries(offsets: readonly number[], pages: IndexPages, stats: ReadStats, signal: AbortSignal) {
    const longOffsets: number[] = []
    const lengths: number[] = []
    for (const offset of offsets) {
      const want = this.#entrySize(offset, pages)
      if (pages.has(offset, want)) continue
      longOffsets.push(offset)
      lengths.push(want)
    }
    if (longOffsets.length === 0) return
    stats.series.refetches++
    await pages.load(longOffsets, lengths, signal)
  }

  #entrySize(offset: number, pages: IndexPages): number {
    // At least 16 bytes lie in the page where an entry begins, so that its length field is whole.
    return pages.decode(offset, seriesAlignment, (bytes) => {
      const place = this.#place('series', offset)
      const size = seriesEntryLength(new Cursor(bytes, place))
      if (size === undefined) throw corruptError(place, 0, 'got the end of the file, want a series')
      return size
    })
  }

  /** A symbol's text. */
  symbol(ref: number): string {
    return this.#lookup.symbol(ref)
  }

  labelNames(): string[] {
    return this.#lookup.labelNames()
  }

  labelValues(name: string, limit: number): string[] {
    return this.#lookup.labelValues(name, limit)
  }

  /** Lets go of what is kept of the block. */
  close(): void {
    this.#known.close()
  }

  #place(section: string, offset: number): BytePlace {
    return { file: this.#object.name, section, offset }
  }
}

/** Where the batch that begins at `start` ends: by number of series, and by the pages that they lie in. */
function batchEnd(refs: Uint32Array, start: number, maxBatchBytes: number): number {
  const maxPages = maxBatchBytes / pageBytes
  let pages = 0
  let lastPage = -1
  let end = start
  for (; end < refs.length && end - start < maxBatchSeries; end++) {
    const page = Math.floor((refs[end]! * seriesAlignment) / pageBytes)
    if (page !== lastPage) pages++
    lastPage = page
    if (pages > maxPages) break
  }
  return end
}
