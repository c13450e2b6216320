// A series' samples out of chunks that may overlap: lanes, then lane by lane into one (Thanos's penalty, or chain).
// Specification: Thanos pkg/dedup (overlap split, penalty); counters are not adjusted: samples stay as they were scraped.
// Owns the choice of samples; the columns live in kernel memory, and runs of samples move there as bytes.
import { decodeFloatChunk } from '../chunkenc/decode-floats.ts'
import { type Taker, walkChain, walkPenalty } from '../dedup/walk.ts'
import type { HistogramPoint } from '../histogram/histogram.ts'
import type { SampleColumns } from '../kernels/columns.ts'
import type { Kernels } from '../kernels/kernels.ts'
import { encodingOf, hasStarts, isHistogramChunk, readMixedLanes } from './dedup-histograms.ts'
import type { AggrChunk } from './types.ts'

/** `penalty`: samples of one replica at a time. `chain`: one sample a timestamp, from all lanes. */
export type DedupFunction = 'penalty' | 'chain'
export const dedupFunctions = ['penalty', 'chain'] as const satisfies readonly DedupFunction[]

/** Sample times wanted, ms, both inclusive. */
export interface TimeRange {
  readonly minTime: number
  readonly maxTime: number
}

/**
 * Each chunk (in order, see chunk-order.ts) on the first lane that ended before it: chunks of a lane do not overlap.
 * Lanes are what is merged, not replicas: a block's chunks and another's may share one.
 */
export function splitLanes<T extends TimeRange>(chunks: readonly T[]): T[][] {
  const lanes: T[][] = []
  for (const chunk of chunks) {
    const lane = lanes.find((other) => other.at(-1)!.maxTime < chunk.minTime)
    if (lane) lane.push(chunk)
    else lanes.push([chunk])
  }
  return lanes
}

/** Where the samples of a series go: floats to the columns, native histograms to the list. */
export interface Samples {
  readonly columns: SampleColumns
  readonly histograms: HistogramPoint[]
  /** Where start timestamps are wanted: one for each float, or none at all where no chunk has any. */
  readonly starts?: number[] | undefined
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
   * Throws `unsupported` by the encoding's name where a chunk is one of aggregates, `corrupt` where a chunk is damaged.
   */
  read(
    chunks: readonly AggrChunk[],
    range: TimeRange,
    dedup: DedupFunction,
    { columns: into, histograms, starts }: Samples,
  ): void {
    const lanes = splitLanes(chunks.filter((c) => c.minTime <= range.maxTime && c.maxTime >= range.minTime))
    const slow =
      starts === undefined ? isHistogramChunk : (chunk: AggrChunk) => isHistogramChunk(chunk) || hasStarts(chunk)
    if (chunks.some(slow) && lanes.length > 0) {
      const walk = dedup === 'penalty' ? walkPenalty : walkChain
      readMixedLanes(lanes, { walk, ...range, scratch: this.#lane }, { columns: into, histograms, starts })
      return
    }
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
    decodeFloatChunk(encodingOf(chunk), chunk.raw?.data ?? noData, into)
    const times = into.times()
    // A chunk may hold more than it announced: time never goes back.
    const after = from > start ? Math.max(times[from - 1]! + 1, range.minTime) : range.minTime
    const first = lowerBound(times, from, after)
    const end = lowerBound(times, first, range.maxTime + 1)
    keep(into, from, first, end)
  }
}

const noData = new Uint8Array()

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

/** Two lanes as one, by the penalty of lib/dedup/walk.ts; a third lane is merged into the outcome. `into` must be neither of the two. */
export function mergePenalty(a: SampleColumns, b: SampleColumns, into: SampleColumns): void {
  into.reserve(a.length + b.length) // once, for the views below would not outlive a growth
  const runs = new Runs(a, b, into)
  walkPenalty(a.times(), b.times(), runs)
  runs.flush()
}

/** Two lanes as one: every time once; where both have it, the first lane's sample. `into` must be neither of the two. */
export function mergeChain(a: SampleColumns, b: SampleColumns, into: SampleColumns): void {
  into.reserve(a.length + b.length) // once, for the views below would not outlive a growth
  const runs = new Runs(a, b, into)
  walkChain(a.times(), b.times(), runs)
  runs.flush()
}

/** Gathers single samples to runs of neighbours, which are copied at once. */
class Runs implements Taker {
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
