// Sample columns: times and values of one series side by side in kernel memory.
// Owns the growth of the two columns; kernels read and write them by address.
import type { Kernels } from './kernels.ts'

/**
 * Two columns of 8-byte cells: times as float64 integer milliseconds, values as float64 bits.
 * Addresses change when the columns grow: read them anew after each `reserve`.
 */
export interface SampleColumns {
  readonly kernels: Kernels
  /** Address of the first time and of the first value. */
  readonly timesPtr: number
  readonly valuesPtr: number
  /** Samples held. */
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
