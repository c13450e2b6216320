// The kernels' instance: WebAssembly compiled from assembly/, its linear memory and an arena in it. One a thread.
// What runs once a sample happens here: chunk decode and encode, windows over all steps, adding a series into a group.
// Owns the memory; callers own what they allocate between mark() and release().
import type { AccumulateFunction, WindowFunction } from './functions.ts'
import type { Block } from './page-heap.ts'
import type { InputOfBlock, KernelSeriesInput } from './series-input.ts'
import type { KernelSeriesMerge, SeriesMergeOptions } from './series-merge.ts'

export type { AccumulateFunction, WindowFunction } from './functions.ts'

/**
 * Samples of one series: two columns of 8-byte cells, times as float64 integer milliseconds, values as float64 bits.
 * Addresses change when the columns grow: read them anew after each `reserve`.
 */
export interface SampleColumns {
  readonly kernels: Kernels
  /** Address of the first time and of the first value. The cell behind the last sample is the kernels' own. */
  readonly timesPtr: number
  readonly valuesPtr: number
  /** Samples held; may be set to less. */
  length: number
  /** Makes room for `count` more samples; throws `resource_exhausted` over the memory cap. */
  reserve(count: number): void
  clear(): void
  /** Appends from JavaScript; for tests and for slow paths. NaN bits are kept only through `pushBits`. */
  push(timeMs: number, value: number): void
  pushBits(timeMs: number, valueBits: bigint): void
  /** Views of the samples held, borrowed: valid until the kernels' memory grows. */
  times(): Float64Array
  values(): Float64Array
  valueBits(): BigUint64Array
}

/** Evaluation times of a query: start, start+step, … (count of them), in ms. */
export interface Steps {
  readonly startMs: number
  readonly stepMs: number
  readonly count: number
}

/**
 * One value a step in kernel memory: float64 values, and one byte a step that tells whether there is a value
 * (NaN is a value). Rows are `count` cells long, 16-byte aligned.
 */
export interface Row {
  readonly valuesPtr: number
  /** u8[count]: 1 present, 0 absent. */
  readonly presentPtr: number
}

/** Samples [from, to) of the columns. */
export interface SampleRange {
  readonly columns: SampleColumns
  readonly from: number
  readonly to: number
}

export interface MergedRuns {
  readonly merged: SampleColumns
  readonly next: SampleColumns
  readonly scratch: SampleColumns
  readonly settled: number
}

/** Columns of windows' aggregates, all of one length; a window's time is its last millisecond. */
export type AggregateColumns = Readonly<Record<'count' | 'sum' | 'min' | 'max' | 'counter', SampleColumns>>

/** What is decoded of chunks on the wire: times in ms, both inclusive; no more samples than the chunks' headers tell. */
export interface WireRange {
  readonly minTime: number
  readonly maxTime: number
  readonly samples: number
  /** Index in the columns where the series begins. */
  readonly start: number
}

export interface KernelOptions {
  /** Cap of the linear memory, 4 GiB unless told. Memory never shrinks. */
  readonly maxMemoryBytes?: number
}

export interface Kernels {
  readonly memory: WebAssembly.Memory
  /** 16-byte aligned; grows memory (older views detach); `resource_exhausted` over the cap. */
  alloc(bytes: number): number
  /** Arena position; release(mark) frees all that was allocated since. */
  mark(): number
  release(mark: number): void
  /** Memory of its own, of at least so many bytes, a power of two; to be given back. `resource_exhausted` over the cap. */
  take(bytes: number): Block
  give(block: Block): void
  f64(ptr: number, length: number): Float64Array
  u8(ptr: number, length: number): Uint8Array
  /** A block's series, to be read; they live outside the arena until free(). */
  seriesInput(block: InputOfBlock): KernelSeriesInput
  /** The merge of several blocks' series. */
  seriesMerge(inputs: readonly KernelSeriesInput[], options: SeriesMergeOptions): KernelSeriesMerge
  /** Whether each chunk record (lib/tsdb/chunk-format.ts) has the checksum of its bytes; the records are whole, one behind the other. */
  recordsAreWhole(records: Uint8Array): boolean
  /** xxHash64 with seed 0, a u64. */
  xxhash64(bytes: Uint8Array): bigint
  /** New, empty columns; they live outside the arena and are reused after free(). */
  columns(): SampleColumns & { free(): void }
  /** Appends an XOR chunk's samples (bytes as in the chunk file, without length, encoding and checksum). Throws `corrupt`; never reads past `chunk`. */
  decodeXor(chunk: Uint8Array, into: SampleColumns): void
  /**
   * Appends the samples of a series' chunks as they stand on the wire (AggrChunk fields, lib/storeapi/wire-series.ts), those in the
   * range and later than the last one held since `start`. False, with nothing appended, where a chunk is not a plain one or corrupt.
   */
  decodePlain(fields: Uint8Array, range: WireRange, into: SampleColumns): boolean
  /** Encodes samples [from, to) as one XOR chunk, byte for byte as Prometheus's appender. The bytes are the caller's, but share memory with others: they must not be transferred. */
  encodeXor(from: SampleColumns, fromIndex: number, toIndex: number): Uint8Array
  /** What encodeXor() and encodeXor2() gave before is not read any more, and its memory is used again: garbage of this kind is collected late. */
  reuseEncoded(): void
  /**
   * As decodeXor for an XOR2 chunk. `startsPtr`, where it is not 0, is the address of a float64 for each sample of the
   * chunk: start timestamps in ms, 0 where they are not known.
   */
  decodeXor2(chunk: Uint8Array, into: SampleColumns, startsPtr?: number): void
  /** As encodeXor for an XOR2 chunk; `startsPtr` holds the start timestamps of the samples encoded. */
  encodeXor2(from: SampleColumns, fromIndex: number, toIndex: number, startsPtr?: number): Uint8Array
  /** From index `from` on, drops stale markers and samples that are earlier than the one before them. */
  dropStale(columns: SampleColumns, from: number): void
  /** Moves those samples of the range that are no NaN to its start; returns the index behind them. */
  dropNaN(range: SampleRange): number
  /**
   * Reads the columns as counter aggregates of consecutive chunks (a chunk's last time twice: the second value is the
   * true last one) and leaves a counter without resets, times ascending, no NaN. Returns the last true value.
   */
  applyResets(columns: SampleColumns): number
  /** Appends the aggregates of the range's windows to `into`. Windows are aligned to 0, the last one ends with the last sample. Times must ascend. */
  aggregate(range: SampleRange, resolutionMs: number, into: AggregateColumns): void
  /**
   * Merges `next` into `merged`, both ascending in time; both must hold samples. `chain`: every time once, where both have it
   * the one that is there. `penalty`: one replica's samples at a time (lib/dedup/walk.ts). Samples before index `settled` are
   * known to be before `next`; returns the index before which none will be touched by what begins no earlier than `next`.
   * `scratch` is overwritten.
   */
  merge(rule: 'chain' | 'penalty', runs: MergedRuns): number
  /** A row in the arena, all absent. */
  row(steps: number): Row
  /**
   * The window function at each step; offsetMs has been subtracted from steps by the caller.
   * Times must ascend. `params`: quantile_over_time φ; predict_linear seconds and, where the selector has an offset, its ms;
   * double_exponential_smoothing smoothing and trend factor (the caller checks that they lie in (0, 1)). ts_of_… are seconds.
   */
  window(
    func: WindowFunction,
    columns: SampleColumns,
    steps: Steps,
    rangeMs: number,
    params: readonly number[],
    into: Row,
  ): void
  /** Instant selector: the last sample in (t − lookback, t], absent where it is stale. With `timesInto`, the sample's time in ms too. */
  lookback(columns: SampleColumns, steps: Steps, lookbackMs: number, into: Row, timesInto?: Row): void
  /** An empty group's state for an accumulate function, in the arena. */
  accumulator(func: AccumulateFunction, steps: number): Accumulator
}

/** A group's running rows (Kahan sums, counts …), one state a step. */
export interface Accumulator {
  add(row: Row): void
  /** Writes the group's values; steps that saw no value are absent. */
  finish(into: Row): void
}
