// A Queryable over local block folders: series of all blocks in order of labels, chunks decoded by the kernels.
// Specification: lib/promql/queryable.ts. Series are in one block alone; blocks are small and their indexes read whole.
// Owns the open blocks until close().

import { decodeFloatChunk } from '../../lib/chunkenc/decode-floats.ts'
import { decodeHistogramChunk, isHistogramEncoding } from '../../lib/chunkenc/decode-histogram.ts'
import { type HistogramPoint, pointOf } from '../../lib/histogram/histogram.ts'
import type { Kernels, SampleColumns } from '../../lib/kernels/kernels.ts'
import { compareLabels, labelValue } from '../../lib/labels/labels.ts'
import type { LabelMatcher } from '../../lib/labels/matcher.ts'
import { compileMatcher } from '../../lib/labels/regex.ts'
import { projectedLabels } from '../../lib/promql/projected.ts'
import type { Queryable, SelectHints, SelectResult, Series } from '../../lib/promql/queryable.ts'
import { SeriesReader } from '../../lib/storeapi/dedup.ts'
import { BlockReader } from '../../lib/tsdb/block-reader.ts'
import type { EncodedChunk } from '../../lib/tsdb/chunk-format.ts'
import type { IndexedSeries } from '../../lib/tsdb/index-reader.ts'

interface BlockSeries extends IndexedSeries {
  readonly block: BlockReader
}

export class BlockQueryable implements Queryable {
  readonly #blocks: readonly BlockReader[]
  readonly #series: readonly BlockSeries[]
  readonly #reader: SeriesReader | undefined

  private constructor(blocks: readonly BlockReader[], series: readonly BlockSeries[], reader?: SeriesReader) {
    this.#blocks = blocks
    this.#series = series
    this.#reader = reader
  }

  /** With the kernels that will ask, chunks are read as the querier reads them, start timestamps too. */
  static async open(folders: readonly string[], kernels?: Kernels): Promise<BlockQueryable> {
    const blocks = await Promise.all(folders.map((folder) => BlockReader.open(folder)))
    const series: BlockSeries[] = []
    for (const block of blocks) for await (const one of block.index.allSeries()) series.push({ ...one, block })
    series.sort((a, b) => compareLabels(a.labels, b.labels))
    return new BlockQueryable(blocks, series, kernels && new SeriesReader(kernels))
  }

  async close(): Promise<void> {
    this.#reader?.free()
    await Promise.all(this.#blocks.map((block) => block.close()))
  }

  select(matchers: readonly LabelMatcher[], hints: SelectHints, signal: AbortSignal): SelectResult {
    return { batches: this.#matching(matchers, hints, signal), warnings: [] }
  }

  async *#matching(
    matchers: readonly LabelMatcher[],
    hints: SelectHints,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Series[]> {
    const predicates = matchers.map((m) => ({ name: m.name, matches: compileMatcher(m) }))
    for (const { labels, chunks, block } of this.#series) {
      if (!predicates.every(({ name, matches }) => matches(labelValue(labels, name)))) continue
      const wanted = chunks.filter((c) => c.minTime <= hints.maxTime && c.maxTime >= hints.minTime)
      const refs = wanted.map((c) => c.ref)
      const encoded = await block.chunks.read(refs, signal)
      const parts = encoded.map(({ encoding, data }, i) => {
        const { minTime, maxTime } = wanted[i]!
        return { minTime, maxTime, raw: { type: encoding - 1, data, hash: 0n } }
      })
      const read: Series['read'] = (columns, histograms, starts) => {
        if (this.#reader) this.#reader.read(parts, hints, 'chain', { columns, histograms, starts })
        else decode(encoded, columns, histograms)
      }
      yield [{ labels: projectedLabels(labels, hints), read }]
    }
  }
}

function decode(chunks: readonly EncodedChunk[], columns: SampleColumns, histograms: HistogramPoint[]): void {
  for (const { encoding, data } of chunks) {
    if (isHistogramEncoding(encoding)) histograms.push(...decodeHistogramChunk(encoding, data).map(pointOf))
    else decodeFloatChunk(encoding, data, columns)
  }
}
