// The kernels of a worker's queries: each running query has its own, and the next one gets them when it is done.
// Kernel memory never shrinks: kernels that a heavy query made large are let go.
// Owns those that are idle.
import { createKernels } from '../../lib/kernels/instance.ts'
import type { Kernels } from '../../lib/kernels/kernels.ts'

/** Larger ones are not kept. */
const keepBytes = 16 << 20
const maxIdle = 4

export class KernelPool {
  readonly #maxMemoryBytes: number
  readonly #idle: Kernels[] = []

  /** `maxMemoryBytes`: what one query may use; over it the query fails with `resource_exhausted`. */
  constructor(maxMemoryBytes: number) {
    this.#maxMemoryBytes = maxMemoryBytes
  }

  /** Runs the work with kernels that are its alone. After a failure they are not used again: parts of the work may still end. */
  async use<T>(work: (kernels: Kernels) => Promise<T>): Promise<T> {
    const kernels = this.#idle.pop() ?? createKernels({ maxMemoryBytes: this.#maxMemoryBytes })
    const mark = kernels.mark()
    const result = await work(kernels)
    kernels.release(mark)
    if (kernels.memory.buffer.byteLength <= keepBytes && this.#idle.length < maxIdle) this.#idle.push(kernels)
    return result
  }
}
