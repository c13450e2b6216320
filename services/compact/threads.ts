// The compactor's worker threads, and their way to the bucket: it is the main thread's, which also counts what is done to it.
// Owns the pool, and the ports of threads that came up before there was a bucket: what they ask meanwhile waits.
import type { MessagePort } from 'node:worker_threads'
import type { CompactorJob, JobOutcome, RunJob } from '../../lib/compact/job.ts'
import { moduleUrl } from '../../lib/kit/module-url.ts'
import { WorkerPool } from '../../lib/kit/workers.ts'

/** Far more than a job takes, whose memory does not grow with its blocks. */
const heapMiB = 1024

export class CompactorThreads {
  readonly #waiting: MessagePort[] = []
  #onPort = (port: MessagePort): void => void this.#waiting.push(port)
  readonly #pool = new WorkerPool<CompactorJob, JobOutcome>(moduleUrl('services/compact/worker.ts'), {
    size: 1,
    name: 'compactor',
    youngHeapMiB: 3,
    heapMiB,
    onPort: (port) => this.#onPort(port),
  })

  /** From here on there are `size` threads, and `onPort` has the bucket answer each one. */
  connect(size: number, onPort: (port: MessagePort) => void): void {
    this.#onPort = onPort
    for (const port of this.#waiting.splice(0)) onPort(port)
    this.#pool.grow(size)
  }

  readonly run: RunJob = (job, signal) => this.#pool.run(job, { signal })

  close(): Promise<void> {
    return this.#pool.close()
  }
}
