// The kernels of a worker's jobs: each that runs has its own, and the next one gets them when it is done.
// Kernel memory never shrinks: kernels that a heavy job made large are let go.
// Owns those that are idle.
import { createKernels } from './instance.ts'
import type { KernelOptions, Kernels } from './kernels.ts'

/** Larger ones are not kept. */
const keepBytes = 16 << 20
const maxIdle = 4

export class KernelPool {
  readonly #options: KernelOptions
  readonly #idle: Kernels[] = []

  /** `maxMemoryBytes`: what one job may use; over it the job fails with `resource_exhausted`. */
  constructor(options: KernelOptions = {}) {
    this.#options = options
  }

  /** Runs the work with kernels that are its alone. After a failure they are not used again: parts of the work may still end. */
  async use<T>(work: (kernels: Kernels) => Promise<T>): Promise<T> {
    const kernels = this.#idle.pop() ?? createKernels(this.#options)
    const mark = kernels.mark()
    const result = await work(kernels)
    kernels.release(mark)
    if (kernels.memory.buffer.byteLength <= keepBytes && this.#idle.length < maxIdle) this.#idle.push(kernels)
    return result
  }
}
