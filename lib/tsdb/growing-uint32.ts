// A list of 32-bit numbers that grows in a typed array: four bytes each, no JavaScript numbers on the heap.
// Used for postings and sampled offsets.
// Owns its memory until finish() hands it over.

export class GrowingUint32 {
  #values = new Uint32Array(16)
  #length = 0

  get length(): number {
    return this.#length
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const bigger = new Uint32Array(this.#length * 2)
      bigger.set(this.#values)
      this.#values = bigger
    }
    this.#values[this.#length++] = value
  }

  /** As finish(), in memory that threads share. */
  finishShared(): Uint32Array {
    const shared = new Uint32Array(new SharedArrayBuffer(this.#length * 4))
    shared.set(this.#values.subarray(0, this.#length))
    return shared
  }

  /** The numbers, in memory of just their size. */
  finish(): Uint32Array {
    return this.#values.slice(0, this.#length)
  }
}
