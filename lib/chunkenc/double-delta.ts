// A row of int64 counters that chunks store as differences of differences: exact at any size, wrapping as Go does.
// Definition: Prometheus tsdb/chunkenc/histogram.go, the fields "raw, delta, dod".
// Owns the two's complement arithmetic on pairs of 32-bit words.
import { numberOfWords } from './bit-reader.ts'

export class DoubleDelta {
  readonly #hi: Int32Array
  readonly #lo: Int32Array
  readonly #deltaHi: Int32Array
  readonly #deltaLo: Int32Array

  /** `length` counters of value 0. */
  constructor(length: number) {
    this.#hi = new Int32Array(length)
    this.#lo = new Int32Array(length)
    this.#deltaHi = new Int32Array(length)
    this.#deltaLo = new Int32Array(length)
  }

  get length(): number {
    return this.#hi.length
  }

  /** The first value of a counter, whose delta is 0. */
  start(index: number, words: { readonly hi: number; readonly lo: number }): void {
    this.#hi[index] = words.hi
    this.#lo[index] = words.lo
  }

  /** Adds a change of the delta, and the delta to the value. */
  step(index: number, words: { readonly hi: number; readonly lo: number }): void {
    const deltaLo = (this.#deltaLo[index]! >>> 0) + words.lo
    const deltaHi = (this.#deltaHi[index]! + words.hi + (deltaLo > 0xffff_ffff ? 1 : 0)) | 0
    const lo = (this.#lo[index]! >>> 0) + (deltaLo >>> 0)
    this.#deltaLo[index] = deltaLo
    this.#deltaHi[index] = deltaHi
    this.#lo[index] = lo
    this.#hi[index] = this.#hi[index]! + deltaHi + (lo > 0xffff_ffff ? 1 : 0)
  }

  /** The value as a signed number. */
  signed(index: number): number {
    return numberOfWords(this.#hi[index]!, this.#lo[index]!)
  }

  /** The value as an unsigned number. */
  unsigned(index: number): number {
    return numberOfWords(this.#hi[index]! >>> 0, this.#lo[index]!)
  }

  /** The running totals of the values: what a histogram's bucket differences stand for. */
  totals(): Float64Array {
    const totals = new Float64Array(this.#hi.length)
    let totalHi = 0
    let totalLo = 0
    for (let i = 0; i < totals.length; i++) {
      const lo = totalLo + (this.#lo[i]! >>> 0)
      totalHi = (totalHi + this.#hi[i]! + (lo > 0xffff_ffff ? 1 : 0)) | 0
      totalLo = lo >>> 0
      totals[i] = numberOfWords(totalHi, totalLo)
    }
    return totals
  }
}
