// The kernels' instance: WebAssembly compiled from assembly/, its linear memory and an arena in it. One a thread.
// What runs once a sample happens here: chunk decode and encode, windows over all steps, adding a series into a group.
// Owns the memory; callers own what they allocate between mark() and release().
import type { SampleColumns } from './columns.ts'

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

/** Functions over the samples with time in (t − range, t], computed for all steps in one call; Prometheus's definitions and order of Kahan summation. Stale samples are dropped first. */
export type WindowFunction =
  | 'rate'
  | 'increase'
  | 'delta'
  | 'irate'
  | 'idelta'
  | 'sum_over_time'
  | 'avg_over_time'
  | 'count_over_time'
  | 'min_over_time'
  | 'max_over_time'
  | 'last_over_time'
  | 'present_over_time'
  | 'stddev_over_time'
  | 'stdvar_over_time'
  | 'mad_over_time'
  | 'quantile_over_time'
  | 'changes'
  | 'resets'
  | 'deriv'
  | 'predict_linear'
  | 'double_exponential_smoothing'
  | 'first_over_time'
  | 'ts_of_first_over_time'
  | 'ts_of_last_over_time'
  | 'ts_of_min_over_time'
  | 'ts_of_max_over_time'

export type AccumulateFunction = 'sum' | 'avg' | 'count' | 'min' | 'max' | 'group' | 'stddev' | 'stdvar'

export interface Kernels {
  readonly memory: WebAssembly.Memory
  /** 16-byte aligned; grows memory (older views detach); `resource_exhausted` over the cap. */
  alloc(bytes: number): number
  /** Arena position; release(mark) frees all that was allocated since. */
  mark(): number
  release(mark: number): void
  f64(ptr: number, length: number): Float64Array
  u8(ptr: number, length: number): Uint8Array
  /** New, empty columns; they live outside the arena and are reused after free(). */
  columns(): SampleColumns & { free(): void }
  /** Appends an XOR chunk's samples (bytes as in the chunk file, without length, encoding and checksum). Throws `corrupt`; never reads past `chunk`. */
  decodeXor(chunk: Uint8Array, into: SampleColumns): void
  /** Encodes samples [from, to) as one XOR chunk, byte for byte as Prometheus's appender. The caller owns the bytes. */
  encodeXor(from: SampleColumns, fromIndex: number, toIndex: number): Uint8Array
  row(steps: number): Row
  /**
   * The window function at each step; offsetMs has been subtracted from steps by the caller.
   * `params`: φ of quantile_over_time, seconds of predict_linear (one per call), factors of smoothing.
   */
  window(
    func: WindowFunction,
    columns: SampleColumns,
    steps: Steps,
    rangeMs: number,
    params: readonly number[],
    into: Row,
  ): void
  /** Instant selector: the last sample in (t − lookback, t], absent where it is stale. With `timesInto`, the sample's time too (timestamp()). */
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
