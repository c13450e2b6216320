// Copies series whose chunks follow each other from block to block: chunks go over as runs of bytes, without an object a chunk.
// Specification: overlap.ts for everything else, and for series that must wait for the disk.
// Owns the entry that it puts together.
import type { BlockWriter } from '../tsdb/block-writer.ts'
import type { ChunkRun } from '../tsdb/chunk-run.ts'
import { SeriesRecord } from '../tsdb/series-entry.ts'
import type { MergeHead } from './merge-head.ts'

export class SeriesCopier {
  readonly #writer: BlockWriter
  readonly #record = new SeriesRecord()
  readonly #runs: ChunkRun[] = []
  #numSamples = 0

  constructor(writer: BlockWriter) {
    this.#writer = writer
  }

  /** Samples copied so far. */
  get numSamples(): number {
    return this.#numSamples
  }

  /** Copies the series at which the heads stand. False where that is not simple: nothing has been done then. */
  copy(members: readonly MergeHead[]): boolean | Promise<boolean> {
    if (!this.#join(members)) return false
    for (let i = 0; i < members.length; i++) {
      const taken = members[i]!.input.takeRun()
      if (typeof taken !== 'boolean') return this.#copyLater(members, i, taken)
      if (!taken) return false
    }
    return this.#write(members)
  }

  /** Goes on with the member of number `at`, whose window is moving. */
  async #copyLater(members: readonly MergeHead[], at: number, taken: Promise<boolean>): Promise<boolean> {
    if (!(await taken)) return false
    for (const { input } of members.slice(at + 1)) if (!(await input.takeRun())) return false
    return this.#write(members)
  }

  /** The entry of all members; false where their chunks are not in order of time. */
  #join(members: readonly MergeHead[]): boolean {
    const record = this.#record
    const { refs, length } = members[0]!
    let count = 0
    for (const { input } of members) count += input.record!.chunkCount
    record.reserve(length / 2, count)
    for (let i = 0; i < length; i++) record.labelRefs[i] = refs[i]!
    let at = 0
    let last = Number.NEGATIVE_INFINITY
    for (const { input } of members) {
      const { chunkCount, minTimes, maxTimes } = input.record!
      if (chunkCount === 0 || minTimes[0]! <= last) return false
      for (let i = 0; i < chunkCount; i++, at++) {
        record.minTimes[at] = minTimes[i]!
        record.maxTimes[at] = maxTimes[i]!
      }
      last = record.maxTimes[at - 1]!
    }
    return true
  }

  #write(members: readonly MergeHead[]): boolean {
    const runs = this.#runs
    runs.length = 0
    for (const { input } of members) runs.push(input.run)
    if (!this.#writer.copyNow(this.#record, runs)) return false
    for (const { count, sampleCounts } of runs) for (let i = 0; i < count; i++) this.#numSamples += sampleCounts[i]!
    return true
  }
}
