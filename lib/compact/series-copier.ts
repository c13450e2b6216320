// Copies series whose chunks follow each other from block to block: chunks go over as runs of bytes, without an object a chunk.
// Specification: overlap.ts for everything else, and for series that must wait for the disk.
// Owns the entry that it puts together.
import type { BlockWriter } from '../tsdb/block-writer.ts'
import type { ChunkRun } from '../tsdb/chunk-run.ts'
import { SeriesRecord } from '../tsdb/series-entry.ts'
import type { MergeHead } from './merge-head.ts'
import type { SeriesInput } from './series-input.ts'

export class SeriesCopier {
  readonly #writer: BlockWriter
  readonly #isVerified: boolean
  readonly #record = new SeriesRecord()
  readonly #runs: ChunkRun[] = []
  #numSamples = 0

  /** `isVerified`: chunks are copied once their checksums have been verified. */
  constructor(writer: BlockWriter, { isVerified }: { readonly isVerified: boolean }) {
    this.#writer = writer
    this.#isVerified = isVerified
  }

  /** Samples copied so far. */
  get numSamples(): number {
    return this.#numSamples
  }

  /** Copies the series at which the heads stand. False where that is not simple: nothing has been done then. */
  copy(members: readonly MergeHead[]): boolean | Promise<boolean> {
    if (!this.#join(members)) return false
    for (let i = 0; i < members.length; i++) {
      const found = this.#find(members[i]!.input)
      if (typeof found !== 'boolean') return this.#copyLater(members, i, found)
      if (!found) return false
    }
    return this.#write(members)
  }

  /** Goes on with the member of number `at`, whose window is moving. */
  async #copyLater(members: readonly MergeHead[], at: number, found: Promise<boolean>): Promise<boolean> {
    if (!(await found)) return false
    for (const { input } of members.slice(at + 1)) if (!(await this.#find(input))) return false
    return this.#write(members)
  }

  #find(input: SeriesInput): boolean | Promise<boolean> {
    return this.#isVerified ? input.takeRun() : input.findRun()
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

  #write(members: readonly MergeHead[]): boolean | Promise<boolean> {
    const runs = this.#runs
    runs.length = 0
    for (const { input } of members) runs.push(input.run)
    if (!this.#writer.copyNow(this.#record, runs)) return this.#writeLater()
    this.#countSamples()
    return true
  }

  async #writeLater(): Promise<boolean> {
    if (!(await this.#writer.copy(this.#record, this.#runs))) return false
    this.#countSamples()
    return true
  }

  #countSamples(): void {
    for (const { count, sampleCounts } of this.#runs)
      for (let i = 0; i < count; i++) this.#numSamples += sampleCounts[i]!
  }
}
