// A Queryable over local block folders: series of all blocks in order of labels, chunks decoded by the kernels.
// Specification: lib/promql/queryable.ts. Series are in one block alone; blocks are small and their indexes read whole.
// Owns the open blocks until close().

import { decodeFloatChunk } from '../../lib/chunkenc/decode-floats.ts'
import { decodeHistogramChunk, isHistogramEncoding } from '../../lib/chunkenc/decode-histogram.ts'
import { type HistogramPoint, pointOf } from '../../lib/histogram/histogram.ts'
import type { SampleColumns } from '../../lib/kernels/kernels.ts'
import { compareLabels, labelValue } from '../../lib/labels/labels.ts'
import type { LabelMatcher } from '../../lib/labels/matcher.ts'
import { compileMatcher } from '../../lib/labels/regex.ts'
import { projectedLabels } from '../../lib/promql/projected.ts'
import type { Queryable, SelectHints, SelectResult, Series } from '../../lib/promql/queryable.ts'
import { BlockReader } from '../../lib/tsdb/block-reader.ts'
import type { EncodedChunk } from '../../lib/tsdb/chunk-format.ts'
import type { IndexedSeries } from '../../lib/tsdb/index-reader.ts'

interface BlockSeries extends IndexedSeries {
  readonly block: BlockReader
}

export class BlockQueryable implements Queryable {
  readonly #blocks: readonly BlockReader[]
  readonly #series: readonly BlockSeries[]

  private constructor(blocks: readonly BlockReader[], series: readonly BlockSeries[]) {
    this.#blocks = blocks
    this.#series = series
  }

  static async open(folders: readonly string[]): Promise<BlockQueryable> {
    const blocks = await Promise.all(folders.map((folder) => BlockReader.open(folder)))
    const series: BlockSeries[] = []
    for (const block of blocks) for await (const one of block.index.allSeries()) series.push({ ...one, block })
    series.sort((a, b) => compareLabels(a.labels, b.labels))
    return new BlockQueryable(blocks, series)
  }

  async close(): Promise<void> {
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
      const read: Series['read'] = (columns, histograms) => decode(encoded, columns, histograms)
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
