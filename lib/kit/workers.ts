// Worker threads behind a typed request–response pool, and the worker's side of it.
// Several jobs a worker at once, the least loaded worker first; a job can be canceled; a worker that dies is replaced.
// Owns the threads. A handler that computes without awaiting polls `canceled()`, a flag in shared memory.
import { parentPort, type Transferable, Worker } from 'node:worker_threads'
import { asMnemoError, describeError, type ErrorCode, MnemoError } from './errors.ts'

export interface WorkerPoolOptions {
  readonly size: number
  /** Structured-cloned into each worker's `workerData`. */
  readonly workerData?: unknown
  /** For messages and thread names. */
  readonly name?: string
}

export interface RunOptions {
  /** Its abort rejects the run at once with `canceled`, and tells the worker. */
  readonly signal?: AbortSignal
  /** Buffers and ports of the request that move to the worker. */
  readonly transfer?: readonly Transferable[]
}

type ToWorker<Request> =
  | { readonly kind: 'run'; readonly id: number; readonly request: Request; readonly flag: SharedArrayBuffer }
  | { readonly kind: 'cancel'; readonly id: number }

type FromWorker<Response> =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly id: number; readonly response: Response }
  | { readonly kind: 'failed'; readonly id: number; readonly code: ErrorCode; readonly message: string }

interface Job<Response> {
  settle(outcome: { response: Response } | { error: MnemoError }): void
}

interface Slot<Response> {
  worker: Worker | undefined
  readonly jobs: Map<number, Job<Response>>
  /** Deaths since the worker last came up: a worker that cannot start is not restarted in a tight loop. */
  deaths: number
  restart: NodeJS.Timeout | undefined
}

const restartDelayMs = 100
const longestRestartDelayMs = 10_000

/** A pool of workers that run the module at `url`, which calls serveWorker(). Workers start at once. */
export class WorkerPool<Request, Response> {
  readonly #url: URL
  readonly #options: WorkerPoolOptions
  readonly #slots: Slot<Response>[]
  #nextId = 1
  #closed = false

  constructor(url: URL, options: WorkerPoolOptions) {
    this.#url = url
    this.#options = options
    this.#slots = Array.from({ length: options.size }, () => {
      const slot: Slot<Response> = { worker: undefined, jobs: new Map(), deaths: 0, restart: undefined }
      this.#start(slot)
      return slot
    })
  }

  /** Number of jobs that run now. */
  get load(): number {
    return this.#slots.reduce((sum, { jobs }) => sum + jobs.size, 0)
  }

  get size(): number {
    return this.#slots.length
  }

  /**
   * Runs a request on the least loaded worker. Rejects with the handler's MnemoError, with `canceled` on abort,
   * with `internal` where the worker dies, with `unavailable` where none is up.
   */
  run(request: Request, options: RunOptions = {}): Promise<Response> {
    const slot = this.#leastLoaded()
    return slot
      ? this.#dispatch(slot, request, options)
      : Promise.reject(new MnemoError('unavailable', `cannot run a job: no ${this.#name} is up`))
  }

  /** Runs a request on each worker, e.g. to warm it up; every worker must be up. */
  async runOnAll(request: Request, options: Omit<RunOptions, 'transfer'> = {}): Promise<Response[]> {
    return Promise.all(this.#slots.map((slot) => this.#dispatch(slot, request, options)))
  }

  /** Ends the workers; what still runs rejects with `canceled`. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(
      this.#slots.map(async (slot) => {
        clearTimeout(slot.restart)
        const { worker } = slot
        this.#fail(slot, new MnemoError('canceled', `cannot finish the job: the ${this.#name}s are closed`))
        await worker?.terminate()
      }),
    )
  }

  get #name(): string {
    return this.#options.name ?? 'worker'
  }

  #leastLoaded(): Slot<Response> | undefined {
    let best: Slot<Response> | undefined
    for (const slot of this.#slots)
      if (slot.worker && (best === undefined || slot.jobs.size < best.jobs.size)) best = slot
    return best
  }

  #dispatch(slot: Slot<Response>, request: Request, { signal, transfer }: RunOptions): Promise<Response> {
    const { worker } = slot
    if (!worker) return Promise.reject(new MnemoError('unavailable', `cannot run a job: the ${this.#name} is down`))
    if (signal?.aborted) return Promise.reject(canceled(signal))
    const id = this.#nextId++
    const flag = new SharedArrayBuffer(4)
    const { promise, resolve, reject } = Promise.withResolvers<Response>()
    const onAbort = () => {
      Atomics.store(new Int32Array(flag), 0, 1)
      worker.postMessage({ kind: 'cancel', id } satisfies ToWorker<Request>)
      slot.jobs.get(id)?.settle({ error: canceled(signal!) })
    }
    slot.jobs.set(id, {
      settle: (outcome) => {
        slot.jobs.delete(id)
        signal?.removeEventListener('abort', onAbort)
        if ('error' in outcome) reject(outcome.error)
        else resolve(outcome.response)
      },
    })
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      worker.postMessage({ kind: 'run', id, request, flag } satisfies ToWorker<Request>, [...(transfer ?? [])])
    } catch (error) {
      slot.jobs
        .get(id)
        ?.settle({ error: new MnemoError('internal', `cannot send a request to a ${this.#name}`, { cause: error }) })
    }
    return promise
  }

  #start(slot: Slot<Response>): void {
    const worker = new Worker(this.#url, { workerData: this.#options.workerData, name: this.#name })
    let reason: unknown
    slot.worker = worker
    worker.on('message', (message: FromWorker<Response>) => this.#receive(slot, message))
    worker.on('error', (error) => {
      reason = error
    })
    worker.on('exit', (exitCode) => {
      if (slot.worker === worker) slot.worker = undefined
      const cause = reason === undefined ? {} : { cause: reason }
      this.#fail(slot, new MnemoError('internal', `cannot finish the job: the ${this.#name} died (${exitCode})`, cause))
      if (!this.#closed) this.#restartLater(slot)
    })
  }

  #restartLater(slot: Slot<Response>): void {
    const delayMs = Math.min(restartDelayMs * 2 ** slot.deaths, longestRestartDelayMs)
    slot.deaths++
    slot.restart = setTimeout(() => this.#start(slot), delayMs)
  }

  #receive(slot: Slot<Response>, message: FromWorker<Response>): void {
    if (message.kind === 'ready') {
      slot.deaths = 0
      return
    }
    // A job that was canceled has left the map: its late answer is dropped.
    const job = slot.jobs.get(message.id)
    if (message.kind === 'done') job?.settle({ response: message.response })
    else job?.settle({ error: new MnemoError(message.code, message.message) })
  }

  #fail(slot: Slot<Response>, error: MnemoError): void {
    for (const job of [...slot.jobs.values()]) job.settle({ error })
  }
}

function canceled(signal: AbortSignal): MnemoError {
  const { reason } = signal
  return reason instanceof MnemoError
    ? reason
    : new MnemoError('canceled', 'cannot finish the job: it was canceled', { cause: reason })
}

/** A response some of whose buffers or ports move to the main thread instead of being copied. */
export class Moved<Response> {
  readonly response: Response
  readonly transfer: readonly Transferable[]

  constructor(response: Response, transfer: readonly Transferable[]) {
    this.response = response
    this.transfer = transfer
  }
}

export type WorkerHandler<Request, Response> = (
  request: Request,
  signal: AbortSignal,
  /** The same as signal.aborted, but seen also by code that never awaits. */
  canceled: () => boolean,
) => Response | Moved<Response> | Promise<Response | Moved<Response>>

/** The worker's side: answers each request by the handler, several at once. Called once by the worker's module. */
export function serveWorker<Request, Response>(handler: WorkerHandler<Request, Response>): void {
  const port = parentPort
  if (!port) throw new MnemoError('internal', 'cannot serve jobs: this is the main thread, want a worker')
  const running = new Map<number, AbortController>()
  const post = (message: FromWorker<Response>, transfer: readonly Transferable[] = []) =>
    port.postMessage(message, [...transfer])

  const run = async (id: number, request: Request, flag: SharedArrayBuffer) => {
    const abort = new AbortController()
    const cell = new Int32Array(flag)
    running.set(id, abort)
    try {
      const result = await handler(request, abort.signal, () => Atomics.load(cell, 0) === 1)
      if (result instanceof Moved) post({ kind: 'done', id, response: result.response }, result.transfer)
      else post({ kind: 'done', id, response: result })
    } catch (error) {
      const known = asMnemoError(error)
      post({ kind: 'failed', id, code: known.code, message: describeError(known) })
    } finally {
      running.delete(id)
    }
  }
  port.on('message', (message: ToWorker<Request>) => {
    if (message.kind === 'run') void run(message.id, message.request, message.flag)
    else running.get(message.id)?.abort(new MnemoError('canceled', 'cannot finish the job: it was canceled'))
  })
  post({ kind: 'ready' })
}

/** The URL of a module beside the caller's, with the caller's own extension: .ts in a checkout, .js in a package. */
export function siblingModule(importMetaUrl: string, name: string): URL {
  const extension = importMetaUrl.slice(importMetaUrl.lastIndexOf('.'))
  return new URL(`./${name}${extension}`, importMetaUrl)
}
