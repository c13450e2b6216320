// One series' chunks from several blocks as chunks that do not overlap: what stands alone stays as it is, byte for byte.
// Algorithm: Prometheus storage/merge.go (compactChunkIterator) one-to-one, Thanos pkg/dedup/chunk_iter.go by penalty;
// neither drops a chunk for its encoding. Owns the scratch columns until free().
import { chunkEncoding } from '../chunkenc/encoding.ts'
import type { Kernels, SampleColumns } from '../kernels/kernels.ts'
import { type ErrorCode, MnemoError } from '../kit/errors.ts'
import { BlockError } from './block-error.ts'
import type { BlockChunk } from './block-writer.ts'
import { decodeMixed, encodeMixed, mergeMixed } from './overlap-mixed.ts'
import { encodeChunks } from './series-block.ts'

/** `one-to-one`: every sample, those of one time once. `penalty`: samples of one replica at a time. */
export type OverlapFunction = 'one-to-one' | 'penalty'

export interface SourcedChunk {
  /** The block that the chunk is from. */
  readonly ulid: string
  readonly chunk: BlockChunk
}

type Scratch = ReturnType<Kernels['columns']>

export class OverlapMerger {
  readonly #function: OverlapFunction
  readonly #kernels: Kernels
  readonly #next: Scratch
  readonly #merged: Scratch
  readonly #scratch: Scratch
  #dropped = 0

  constructor(kernels: Kernels, overlapFunction: OverlapFunction) {
    this.#function = overlapFunction
    this.#kernels = kernels
    this.#next = kernels.columns()
    this.#merged = kernels.columns()
    this.#scratch = kernels.columns()
  }

  /**
   * The series' chunks in order of time. Throws a BlockError that names the block whose chunk is damaged, or is of an
   * encoding that cannot be decoded (`unsupported`) and overlaps another one.
   */
  merge(chunks: readonly SourcedChunk[]): BlockChunk[] {
    if (followEachOther(chunks)) return chunks.map(({ chunk }) => chunk)
    return overlappingRuns(chunks).flatMap((run) => {
      if (run.length === 1) return [run[0]!.chunk]
      const distinct = withoutCopies(run)
      const merged = distinct.length === 1 ? [distinct[0]!.chunk] : this.#mergeRun(distinct)
      this.#dropped += countSamples(run.map(({ chunk }) => chunk)) - countSamples(merged)
      return merged
    })
  }

  /** Samples so far that stand in several chunks, or were left out by the penalty. */
  get droppedSamples(): number {
    return this.#dropped
  }

  free(): void {
    for (const columns of [this.#next, this.#merged, this.#scratch]) columns.free()
  }

  /** Chunk by chunk, as Thanos does; what lies before the next chunk is settled and is not looked at again. */
  #mergeRun(run: readonly SourcedChunk[]): BlockChunk[] {
    if (run.some(({ chunk }) => chunk.encoding !== chunkEncoding.xor)) return this.#mergeMixedRun(run)
    const [first, ...rest] = run
    const [merged, next, scratch] = [this.#merged, this.#next, this.#scratch]
    const rule = this.#function === 'penalty' ? 'penalty' : 'chain'
    decode(first!, merged)
    let settled = 0
    for (const chunk of rest) {
      decode(chunk, next)
      settled = this.#kernels.merge(rule, { merged, next, scratch, settled })
    }
    return encodeChunks(merged)
  }

  #mergeMixedRun(run: readonly SourcedChunk[]): BlockChunk[] {
    const decoded = run.map((one) => {
      const samples = naming(one, () => decodeMixed(one.chunk, this.#kernels))
      checkTimes(
        one,
        samples.map(({ timeMs }) => timeMs),
      )
      return samples
    })
    return encodeMixed(mergeMixed(decoded, this.#function), this.#kernels)
  }
}

function followEachOther(chunks: readonly SourcedChunk[]): boolean {
  for (let i = 1; i < chunks.length; i++) if (chunks[i]!.chunk.minTime <= chunks[i - 1]!.chunk.maxTime) return false
  return true
}

function countSamples(chunks: readonly BlockChunk[]): number {
  return chunks.reduce((sum, { numSamples }) => sum + numSamples, 0)
}

/** Chunks in order of time, those together that overlap, directly or through others. */
function overlappingRuns(chunks: readonly SourcedChunk[]): SourcedChunk[][] {
  const inOrder = chunks.toSorted((a, b) => a.chunk.minTime - b.chunk.minTime || a.chunk.maxTime - b.chunk.maxTime)
  const runs: SourcedChunk[][] = []
  let lastTime = Number.NEGATIVE_INFINITY
  for (const one of inOrder) {
    if (one.chunk.minTime > lastTime) runs.push([one])
    else runs.at(-1)!.push(one)
    lastTime = Math.max(lastTime, one.chunk.maxTime)
  }
  return runs
}

/** The run with each of its chunks once: identical ones, from two blocks, stand near each other. */
function withoutCopies(run: readonly SourcedChunk[]): SourcedChunk[] {
  const distinct: SourcedChunk[] = []
  for (const one of run) {
    let i = distinct.length - 1
    while (i >= 0 && distinct[i]!.chunk.minTime === one.chunk.minTime && !isSame(distinct[i]!.chunk, one.chunk)) i--
    if (i < 0 || distinct[i]!.chunk.minTime !== one.chunk.minTime) distinct.push(one)
  }
  return distinct
}

function isSame(a: BlockChunk, b: BlockChunk): boolean {
  return (
    a.minTime === b.minTime &&
    a.maxTime === b.maxTime &&
    a.encoding === b.encoding &&
    Buffer.compare(a.data, b.data) === 0
  )
}

/** The samples of an XOR chunk, checked. */
function decode(one: SourcedChunk, into: SampleColumns): void {
  into.clear()
  naming(one, () => into.kernels.decodeXor(one.chunk.data, into))
  checkTimes(one, into.times())
}

function naming<T>(one: SourcedChunk, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    if (cause instanceof MnemoError && (cause.code === 'corrupt' || cause.code === 'unsupported'))
      throw badChunk(one, cause.code, '', cause)
    throw cause
  }
}

/** Times ascend, the first and the last are those that the index tells. */
function checkTimes(one: SourcedChunk, times: ArrayLike<number>): void {
  const { minTime, maxTime } = one.chunk
  let ascend = true
  for (let i = 1; i < times.length; i++) ascend &&= times[i]! > times[i - 1]!
  const last = times[times.length - 1]
  if (!ascend || times[0] !== minTime || last !== maxTime)
    throw badChunk(one, 'corrupt', `: got samples from ${times[0]} to ${last}, want those times, ascending`)
}

function badChunk({ ulid, chunk }: SourcedChunk, code: ErrorCode, what: string, cause?: unknown): BlockError {
  const where = `chunk ${chunk.minTime} to ${chunk.maxTime}`
  return new BlockError(code, ulid, `cannot merge ${where} of block ${ulid} with one that overlaps it${what}`, {
    cause,
  })
}
