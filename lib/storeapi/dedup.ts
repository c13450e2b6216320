// A series' samples out of chunks that may overlap: lanes, then lane by lane into one (Thanos's penalty, or chain).
// Specification: Thanos pkg/dedup (overlap split, penalty); counters are not adjusted: samples stay as they were scraped.
// Owns the choice of samples; the columns live in kernel memory, and runs of samples move there as bytes.
import { decodeFloatChunk } from '../chunkenc/decode-floats.ts'
import { chunkEncoding } from '../chunkenc/encoding.ts'
import type { SampleColumns } from '../kernels/columns.ts'
import type { Kernels } from '../kernels/kernels.ts'
import type { AggrChunk } from './types.ts'

/** `penalty`: samples of one replica at a time. `chain`: one sample a timestamp, from all lanes. */
export type DedupFunction = 'penalty' | 'chain'
export const dedupFunctions = ['penalty', 'chain'] as const satisfies readonly DedupFunction[]

/** Sample times wanted, ms, both inclusive. */
export interface TimeRange {
  readonly minTime: number
  readonly maxTime: number
}

/** How long a replica that was not chosen waits where the scrape interval is not known yet, ms. */
const initialPenaltyMs = 5000

/**
 * Each chunk (in order, see chunk-order.ts) on the first lane that ended before it: chunks of a lane do not overlap.
 * Lanes are what is merged, not replicas: a block's chunks and another's may share one.
 */
export function splitLanes(chunks: readonly AggrChunk[]): AggrChunk[][] {
  const lanes: AggrChunk[][] = []
  for (const chunk of chunks) {
    const lane = lanes.find((other) => other.at(-1)!.maxTime < chunk.minTime)
    if (lane) lane.push(chunk)
    else lanes.push([chunk])
  }
  return lanes
}

/** Reads series out of chunks, with scratch columns of its own. One a query; free() gives them back. */
export class SeriesReader {
  readonly #lane: Scratch
  readonly #merged: Scratch
  readonly #spare: Scratch

  constructor(kernels: Kernels) {
    this.#lane = kernels.columns()
    this.#merged = kernels.columns()
    this.#spare = kernels.columns()
  }

  /**
   * Appends the samples in the range, times ascending, no time twice. Chunks come in order (mergeSeries gives them so).
   * Throws `unsupported` by the encoding's name where a chunk holds no floats, `corrupt` where a chunk is damaged.
   */
  read(chunks: readonly AggrChunk[], range: TimeRange, dedup: DedupFunction, into: SampleColumns): void {
    const lanes = splitLanes(chunks.filter((c) => c.minTime <= range.maxTime && c.maxTime >= range.minTime))
    if (lanes.length <= 1) {
      if (lanes.length === 1) decodeLane(lanes[0]!, range, into)
      return
    }
    const merge = dedup === 'penalty' ? mergePenalty : mergeChain
    let merged = this.#merged
    let spare = this.#spare
    merged.clear()
    decodeLane(lanes[0]!, range, merged)
    for (let i = 1; i < lanes.length; i++) {
      this.#lane.clear()
      decodeLane(lanes[i]!, range, this.#lane)
      const isLast = i === lanes.length - 1
      if (!isLast) spare.clear()
      merge(merged, this.#lane, isLast ? into : spare)
      ;[merged, spare] = [spare, merged]
    }
  }

  free(): void {
    this.#lane.free()
    this.#merged.free()
    this.#spare.free()
  }
}

type Scratch = ReturnType<Kernels['columns']>

/** Appends a lane's samples in the range. */
function decodeLane(lane: readonly AggrChunk[], range: TimeRange, into: SampleColumns): void {
  const start = into.length
  for (const chunk of lane) {
    const from = into.length
    decodeRaw(chunk, into)
    const times = into.times()
    // A chunk may hold more than it announced: time never goes back.
    const after = from > start ? Math.max(times[from - 1]! + 1, range.minTime) : range.minTime
    const first = lowerBound(times, from, after)
    const end = lowerBound(times, first, range.maxTime + 1)
    keep(into, from, first, end)
  }
}

/** StoreAPI's chunk type is the file's encoding minus 1; a chunk without raw samples is a downsampled one's aggregates. */
function decodeRaw({ raw }: AggrChunk, into: SampleColumns): void {
  decodeFloatChunk(raw === undefined ? chunkEncoding.aggregate : raw.type + 1, raw?.data ?? new Uint8Array(), into)
}

/** The first index from `from` on whose time is at least `time`. */
function lowerBound(times: Float64Array, from: number, time: number): number {
  if (from === times.length || times[from]! >= time) return from
  let low = from
  let high = times.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (times[middle]! < time) low = middle + 1
    else high = middle
  }
  return low
}

/** Of the samples from `from` on, keeps [first, end), moved down to `from`. */
function keep(columns: SampleColumns, from: number, first: number, end: number): void {
  if (first !== from) {
    columns.times().copyWithin(from, first, end)
    columns.valueBits().copyWithin(from, first, end)
  }
  columns.length = from + end - first
}

/** Appends samples [from, to) of other columns as bytes, so that no NaN changes; there is room for them. */
function append(into: SampleColumns, source: SampleColumns, from: number, to: number): void {
  if (from === to) return
  const { kernels } = into
  const atBytes = into.length * 8
  const fromBytes = from * 8
  const bytes = (to - from) * 8
  kernels.u8(into.timesPtr + atBytes, bytes).set(kernels.u8(source.timesPtr + fromBytes, bytes))
  kernels.u8(into.valuesPtr + atBytes, bytes).set(kernels.u8(source.valuesPtr + fromBytes, bytes))
  into.length += to - from
}

/**
 * Two lanes as one: samples of one side, until it has a hole wider than twice its last interval, then of the other.
 * A side that was not chosen must be later than the last sample by its penalty, so that the sides do not alternate.
 * A third lane is merged into the outcome of the first two. `into` must be neither of the two.
 */
export function mergePenalty(a: SampleColumns, b: SampleColumns, into: SampleColumns): void {
  into.reserve(a.length + b.length) // once, for the views below would not outlive a growth
  const timesA = a.times()
  const timesB = b.times()
  const runs = new Runs(a, b, into)
  let ia = 0
  let ib = 0
  let penaltyA = 0
  let penaltyB = 0
  let lastTime = Number.NEGATIVE_INFINITY
  for (;;) {
    while (ia < timesA.length && timesA[ia]! <= lastTime + penaltyA) ia++
    while (ib < timesB.length && timesB[ib]! <= lastTime + penaltyB) ib++
    const endA = ia === timesA.length
    const endB = ib === timesB.length
    if (endA && endB) break
    if (endB || (!endA && timesA[ia]! <= timesB[ib]!)) {
      const time = timesA[ia]!
      if (!endB) penaltyB = penaltyAfter(lastTime, time)
      penaltyA = 0
      lastTime = time
      runs.takeA(ia)
    } else {
      const time = timesB[ib]!
      if (!endA) penaltyA = penaltyAfter(lastTime, time)
      penaltyB = 0
      lastTime = time
      runs.takeB(ib)
    }
  }
  runs.flush()
}

function penaltyAfter(lastTime: number, time: number): number {
  return lastTime === Number.NEGATIVE_INFINITY ? initialPenaltyMs : 2 * (time - lastTime)
}

/** Two lanes as one: every time once; where both have it, the first lane's sample. `into` must be neither of the two. */
export function mergeChain(a: SampleColumns, b: SampleColumns, into: SampleColumns): void {
  into.reserve(a.length + b.length) // once, for the views below would not outlive a growth
  const timesA = a.times()
  const timesB = b.times()
  const runs = new Runs(a, b, into)
  let ia = 0
  let ib = 0
  while (ia < timesA.length || ib < timesB.length) {
    const timeA = timesA[ia] ?? Number.POSITIVE_INFINITY
    const timeB = timesB[ib] ?? Number.POSITIVE_INFINITY
    if (timeB < timeA) runs.takeB(ib)
    else runs.takeA(ia)
    if (timeA <= timeB) ia++
    if (timeB <= timeA) ib++
  }
  runs.flush()
}

/** Gathers single samples to runs of neighbours, which are copied at once. */
class Runs {
  readonly #a: SampleColumns
  readonly #b: SampleColumns
  readonly #into: SampleColumns
  #source: SampleColumns
  #from = 0
  #to = 0

  constructor(a: SampleColumns, b: SampleColumns, into: SampleColumns) {
    this.#a = a
    this.#b = b
    this.#into = into
    this.#source = a
  }

  takeA(index: number): void {
    if (this.#source === this.#a && index === this.#to) this.#to++
    else this.#start(this.#a, index)
  }

  takeB(index: number): void {
    if (this.#source === this.#b && index === this.#to) this.#to++
    else this.#start(this.#b, index)
  }

  flush(): void {
    append(this.#into, this.#source, this.#from, this.#to)
    this.#from = this.#to
  }

  #start(source: SampleColumns, index: number): void {
    this.flush()
    this.#source = source
    this.#from = index
    this.#to = index + 1
  }
}
