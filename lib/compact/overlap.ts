// One series' chunks from several blocks as chunks that do not overlap: what stands alone stays as it is, byte for byte.
// Algorithm: Prometheus storage/merge.go (compactChunkIterator) one-to-one, Thanos pkg/dedup/chunk_iter.go by penalty;
// neither drops a chunk for its encoding. Owns the scratch columns until free().
import { chunkEncoding, encodingName } from '../chunkenc/encoding.ts'
import { penaltyStart, type Taker, walkChain, walkPenalty } from '../dedup/walk.ts'
import type { Kernels, SampleColumns } from '../kernels/kernels.ts'
import { type ErrorCode, MnemoError } from '../kit/errors.ts'
import type { BlockChunk } from '../tsdb/block-writer.ts'
import { encodeChunks } from '../tsdb/series-block.ts'
import { BlockError } from './series-input.ts'

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
  readonly #next: Scratch
  #merged: Scratch
  #tail: Scratch

  constructor(kernels: Kernels, overlapFunction: OverlapFunction) {
    this.#function = overlapFunction
    this.#next = kernels.columns()
    this.#merged = kernels.columns()
    this.#tail = kernels.columns()
  }

  /**
   * The series' chunks in order of time. Throws a BlockError that names the block whose chunk is damaged, or
   * (`unsupported`) overlaps another one and cannot be encoded anew.
   */
  merge(chunks: readonly SourcedChunk[]): BlockChunk[] {
    return overlappingRuns(chunks).flatMap((run) => {
      const distinct = withoutCopies(run)
      return distinct.length === 1 ? [distinct[0]!.chunk] : this.#mergeRun(distinct)
    })
  }

  free(): void {
    for (const columns of [this.#next, this.#merged, this.#tail]) columns.free()
  }

  /** Chunk by chunk, as Thanos does; what lies before the next chunk is settled and is not looked at again. */
  #mergeRun([first, ...rest]: readonly SourcedChunk[]): BlockChunk[] {
    decode(first!, this.#merged)
    let settled = 0
    for (const chunk of rest) {
      decode(chunk, this.#next)
      settled = this.#mergeNext(settled)
    }
    return encodeChunks(this.#merged)
  }

  #mergeNext(settled: number): number {
    const [merged, next, tail] = [this.#merged, this.#next, this.#tail]
    tail.clear()
    const room = merged.length - settled + next.length
    tail.reserve(room) // before any view is taken, which would not outlive a growth
    const times = merged.times()
    const nextTimes = next.times()
    const firstTime = nextTimes[0]!
    let start = settled
    if (this.#function === 'penalty') {
      const from = penaltyStart(times, settled, firstTime)
      start = from.ia
      walkPenalty(times, nextTimes, takerInto({ columns: tail, room }, merged, next), from)
    } else {
      while (start < times.length && times[start]! < firstTime) start++
      const taker = takerInto({ columns: tail, room }, merged, next)
      walkChain(times.subarray(start), nextTimes, { ...taker, takeA: (index) => taker.takeA(start + index) })
    }
    merged.length = start
    append(merged, tail)
    return start
  }
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

/** The chunk's samples, checked: times ascend, the first and the last are those that the index tells. */
function decode({ ulid, chunk }: SourcedChunk, into: SampleColumns): void {
  const where = `chunk ${chunk.minTime} to ${chunk.maxTime}`
  const bad = (code: ErrorCode, what: string, cause?: unknown) =>
    new BlockError(code, ulid, `cannot merge ${where} of block ${ulid} with one that overlaps it${what}`, { cause })
  if (chunk.encoding !== chunkEncoding.xor)
    throw bad('unsupported', `: got encoding ${encodingName(chunk.encoding)}, want XOR`)
  into.clear()
  try {
    into.kernels.decodeXor(chunk.data, into)
  } catch (cause) {
    if (cause instanceof MnemoError && cause.code === 'corrupt') throw bad('corrupt', '', cause)
    throw cause
  }
  const times = into.times()
  const ascend = times.every((time, i) => i === 0 || time > times[i - 1]!)
  if (!ascend || times[0] !== chunk.minTime || times.at(-1) !== chunk.maxTime)
    throw bad('corrupt', `: got samples from ${times[0]} to ${times.at(-1)}, want those times, ascending`)
}

/** Puts taken samples into columns that have room for them; values move as bits, so that no NaN changes. */
function takerInto(
  { columns: into, room }: { columns: SampleColumns; room: number },
  a: SampleColumns,
  b: SampleColumns,
): Taker {
  const { kernels } = into
  const times = kernels.f64(into.timesPtr, room)
  const bits = new BigUint64Array(kernels.memory.buffer, into.valuesPtr, room)
  const take = (fromTimes: Float64Array, fromBits: BigUint64Array) => (index: number) => {
    times[into.length] = fromTimes[index]!
    bits[into.length] = fromBits[index]!
    into.length++
  }
  return { takeA: take(a.times(), a.valueBits()), takeB: take(b.times(), b.valueBits()) }
}

function append(into: SampleColumns, from: SampleColumns): void {
  into.reserve(from.length)
  const start = into.length
  into.length += from.length
  into.times().set(from.times(), start)
  into.valueBits().set(from.valueBits(), start)
}
