// What is out of order in the series of an index, counted.
// Definitions: Thanos pkg/block/index.go (GatherIndexHealthStats); a block's maxTime is exclusive, as Prometheus writes it.
// Owns the counts and how they read.
import type { BlockMeta } from '../blocks/meta.ts'
import { compareLabels, compareStrings, formatLabels, type Labels } from '../labels/labels.ts'
import type { IndexedSeries } from '../tsdb/index-reader.ts'

export class SeriesTally {
  readonly #meta: BlockMeta
  #last: Labels | undefined
  #firstOutOfOrder: string | undefined
  #numSeries = 0
  #numChunks = 0
  readonly #counts = {
    outOfOrderSeries: 0,
    outOfOrderLabels: 0,
    emptyLabels: 0,
    withoutChunks: 0,
    outside: 0,
    partlyOutside: 0,
    outOfOrderChunks: 0,
    duplicatedChunks: 0,
    dangling: 0,
  }

  constructor(meta: BlockMeta) {
    this.#meta = meta
  }

  add({ labels, chunks }: IndexedSeries): void {
    const counts = this.#counts
    this.#numSeries++
    this.#numChunks += chunks.length
    if (labels.length === 0) counts.emptyLabels++
    if (!isAscending(labels)) counts.outOfOrderLabels++
    if (this.#last && compareLabels(this.#last, labels) >= 0) {
      counts.outOfOrderSeries++
      this.#firstOutOfOrder ??= `${formatLabels(labels)} after ${formatLabels(this.#last)}`
    }
    this.#last = labels
    if (chunks.length === 0) counts.withoutChunks++
    this.#addChunks(chunks)
  }

  #addChunks(chunks: IndexedSeries['chunks']): void {
    const counts = this.#counts
    const { minTime, maxTime } = this.#meta
    for (const [i, chunk] of chunks.entries()) {
      if (chunk.minTime >= maxTime || chunk.maxTime < minTime) counts.outside++
      else if (chunk.minTime < minTime || chunk.maxTime >= maxTime) counts.partlyOutside++
      const previous = chunks[i - 1]
      if (!previous || chunk.minTime > previous.maxTime) continue
      if (chunk.minTime === previous.minTime && chunk.maxTime === previous.maxTime) counts.duplicatedChunks++
      else counts.outOfOrderChunks++
    }
  }

  /** Chunks that the series refers to and that are in no segment. */
  addDangling(chunks: number): void {
    this.#counts.dangling += chunks
  }

  /** Each a line. `isWhole`: all series have been seen, so that they can be compared with what the meta counts. */
  problems(isWhole: boolean): string[] {
    const counts = this.#counts
    const { minTime, maxTime, stats } = this.#meta
    const range = `the block's time [${minTime}, ${maxTime})`
    const found: [number, string][] = [
      [counts.outOfOrderSeries, `series out of order, the first ${this.#firstOutOfOrder}`],
      [counts.outOfOrderLabels, 'series with labels out of order'],
      [counts.emptyLabels, 'series without labels'],
      [counts.withoutChunks, 'series without chunks'],
      [counts.outside, `chunks outside of ${range}`],
      [counts.partlyOutside, `chunks partly outside of ${range}`],
      [counts.duplicatedChunks, 'chunks of the same time as the one before'],
      [counts.outOfOrderChunks, 'chunks that overlap the one before, or stand before it in time'],
      [counts.dangling, 'chunk references beyond the end of the segments'],
    ]
    const problems = found.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
    if (isWhole && this.#numSeries !== stats.numSeries)
      problems.push(`${this.#numSeries} series, where meta.json counts ${stats.numSeries}`)
    if (isWhole && this.#numChunks !== stats.numChunks)
      problems.push(`${this.#numChunks} chunks, where meta.json counts ${stats.numChunks}`)
    return problems
  }
}

/** Whether the names ascend. */
export function isAscending(labels: Labels): boolean {
  for (let i = 2; i < labels.length; i += 2) if (compareStrings(labels[i - 2]!, labels[i]!) >= 0) return false
  return true
}
