// Worker threads behind a typed pool, and the worker's side of it: requests with one answer, or with a stream of parts.
// Several jobs a worker at once, the least loaded worker first; a job can be canceled; a worker that dies is replaced.
// Owns the threads. A handler that computes without awaiting polls `canceled()`, a flag in shared memory.
import { setFlagsFromString } from 'node:v8'
import { MessageChannel, type MessagePort, parentPort, type Transferable, Worker } from 'node:worker_threads'
import { asMnemoError, describeError, type ErrorCode, MnemoError } from './errors.ts'

export interface WorkerPoolOptions {
  readonly size: number
  /** Structured-cloned into each worker's `workerData`. */
  readonly workerData?: unknown
  /** For messages and thread names. */
  readonly name?: string
  /** Where a worker's short-lived objects may live; less of it is collected more often, which costs little where few survive. */
  readonly youngHeapMiB?: number
  /** What a worker's heap may come to at most, behind which it dies. The less it is, the sooner garbage is collected, from the first MiB on. */
  readonly heapMiB?: number
  /** What a worker is told first, in order, when it starts: see tell(). */
  readonly greeting?: () => readonly unknown[]
  /** Takes this end of a channel to each worker that starts; its module finds the other end as `workerData.port`. */
  readonly onPort?: (port: MessagePort) => void
  /** Takes what workers say by themselves. */
  readonly onEvent?: (event: unknown) => void
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
  /** So many parts of a stream have been taken. */
  | { readonly kind: 'taken'; readonly id: number; readonly parts: number }
  | { readonly kind: 'notice'; readonly notice: unknown }

type FromWorker<Response> =
  | { readonly kind: 'ready' }
  | { readonly kind: 'part'; readonly id: number; readonly part: Response }
  | { readonly kind: 'end'; readonly id: number }
  | { readonly kind: 'event'; readonly event: unknown }
  | { readonly kind: 'done'; readonly id: number; readonly response: Response }
  | { readonly kind: 'failed'; readonly id: number; readonly code: ErrorCode; readonly message: string }

type Outcome<Response> = { readonly response: Response } | { readonly error: MnemoError } | { readonly end: true }

interface Job<Response> {
  settle(outcome: Outcome<Response>): void
  /** Takes a part of a stream. */
  part(part: Response): void
}

interface Slot<Response> {
  worker: Worker | undefined
  readonly jobs: Map<number, Job<Response>>
  /** Deaths since the worker last came up: a worker that cannot start is not restarted in a tight loop. */
  deaths: number
  restart: NodeJS.Timeout | undefined
}

/** Parts of a stream that may be on their way to its reader. */
const maxPartsAhead = 4
const restartDelayMs = 100
const longestRestartDelayMs = 10_000

/** A pool of workers that run the module at `url`, which calls serveWorker(). Workers start at once. */
export class WorkerPool<Request, Response> {
  readonly #url: URL
  readonly #options: WorkerPoolOptions
  readonly #slots: Slot<Response>[] = []
  #nextId = 1
  #closed = false

  constructor(url: URL, options: WorkerPoolOptions) {
    this.#url = url
    this.#options = options
    this.grow(options.size)
  }

  /** Starts workers until there are `size`. */
  grow(size: number): void {
    while (this.#slots.length < size) {
      const slot: Slot<Response> = { worker: undefined, jobs: new Map(), deaths: 0, restart: undefined }
      this.#start(slot)
      this.#slots.push(slot)
    }
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

  /**
   * The parts of an answer that the handler gives as a stream; a worker is at most `maxPartsAhead` parts ahead of the reader.
   * Throws as run() does. Leaving the iteration cancels the job.
   */
  async *stream(request: Request, options: RunOptions = {}): AsyncGenerator<Response> {
    const slot = this.#leastLoaded()
    if (!slot) throw new MnemoError('unavailable', `cannot run a job: no ${this.#name} is up`)
    const leaving = new AbortController()
    const signal = options.signal ? AbortSignal.any([options.signal, leaving.signal]) : leaving.signal
    const parts: Response[] = []
    let wake = () => {}
    let outcome: { readonly error?: unknown } | undefined
    const onPart = (part: Response) => {
      parts.push(part)
      wake()
    }
    const { id, promise } = this.#send(slot, request, { ...options, signal }, onPart)
    promise.then(
      () => {
        outcome = {}
        wake()
      },
      (error: unknown) => {
        outcome = { error }
        wake()
      },
    )
    try {
      for (;;) {
        const part = parts.shift()
        if (part !== undefined) {
          slot.worker?.postMessage({ kind: 'taken', id, parts: 1 } satisfies ToWorker<Request>)
          yield part
        } else if (outcome) {
          if (outcome.error !== undefined) throw outcome.error
          return
        } else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      leaving.abort(new MnemoError('canceled', 'cannot finish the job: its reader has left'))
    }
  }

  /** Sends something to each worker that is up; its module takes it with `onNotice`. */
  tell(notice: unknown): void {
    for (const { worker } of this.#slots) worker?.postMessage({ kind: 'notice', notice } satisfies ToWorker<Request>)
  }

  /** As run(), on each worker by its place in the pool. */
  runOnEach(request: Request, options: Omit<RunOptions, 'transfer'> = {}): Promise<PromiseSettledResult<Response>[]> {
    return Promise.allSettled(this.#slots.map((slot) => this.#dispatch(slot, request, options)))
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

  async #dispatch(slot: Slot<Response>, request: Request, options: RunOptions): Promise<Response> {
    const answer = await this.#send(slot, request, options).promise
    // A stream's parts went elsewhere; a handler answers each kind of request in one way.
    return answer as Response
  }

  /** Sends a request; the promise is of its answer, or of a stream's end. */
  #send(
    slot: Slot<Response>,
    request: Request,
    { signal, transfer }: RunOptions,
    part: (part: Response) => void = () => {},
  ): { id: number; promise: Promise<Response | undefined> } {
    const { worker } = slot
    const id = this.#nextId++
    const { promise, resolve, reject } = Promise.withResolvers<Response | undefined>()
    if (!worker) reject(new MnemoError('unavailable', `cannot run a job: the ${this.#name} is down`))
    else if (signal?.aborted) reject(canceled(signal))
    if (!worker || signal?.aborted) return { id, promise }
    const flag = new SharedArrayBuffer(4)
    const onAbort = () => {
      Atomics.store(new Int32Array(flag), 0, 1)
      worker.postMessage({ kind: 'cancel', id } satisfies ToWorker<Request>)
      slot.jobs.get(id)?.settle({ error: canceled(signal!) })
    }
    slot.jobs.set(id, {
      part,
      settle: (outcome) => {
        slot.jobs.delete(id)
        signal?.removeEventListener('abort', onAbort)
        if ('error' in outcome) reject(outcome.error)
        else resolve('end' in outcome ? undefined : outcome.response)
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
    return { id, promise }
  }

  #start(slot: Slot<Response>): void {
    const { youngHeapMiB, heapMiB } = this.#options
    const resourceLimits = {
      ...(youngHeapMiB !== undefined && { maxYoungGenerationSizeMb: youngHeapMiB }),
      ...(heapMiB !== undefined && { maxOldGenerationSizeMb: heapMiB }),
    }
    // What the main thread was started with would hold for the worker too: its own limits count where the flag says nothing.
    if (youngHeapMiB !== undefined) setFlagsFromString('--max-semi-space-size=0')
    const worker = new Worker(this.#url, { ...this.#givenData(), name: this.#name, resourceLimits })
    let reason: unknown
    slot.worker = worker
    for (const notice of this.#options.greeting?.() ?? [])
      worker.postMessage({ kind: 'notice', notice } satisfies ToWorker<Request>)
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

  #givenData(): { workerData: unknown; transferList?: Transferable[] } {
    const { workerData, onPort } = this.#options
    if (!onPort) return { workerData }
    const { port1, port2 } = new MessageChannel()
    onPort(port1)
    return { workerData: { ...(workerData as object | undefined), port: port2 }, transferList: [port2] }
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
    if (message.kind === 'event') {
      this.#options.onEvent?.(message.event)
      return
    }
    // A job that was canceled has left the map: its late answer is dropped.
    const job = slot.jobs.get(message.id)
    if (message.kind === 'part') job?.part(message.part)
    else if (message.kind === 'done') job?.settle({ response: message.response })
    else if (message.kind === 'end') job?.settle({ end: true })
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

type Answer<Response> = Response | Moved<Response>

export type WorkerHandler<Request, Response> = (
  request: Request,
  signal: AbortSignal,
  /** The same as signal.aborted, but seen also by code that never awaits. */
  canceled: () => boolean,
) => Answer<Response> | Promise<Answer<Response>> | AsyncGenerator<Answer<Response>>

export interface WorkerOptions {
  /** Takes what the pool tells: see WorkerPool.tell(). */
  readonly onNotice?: (notice: unknown) => void
}

/** The worker's side: answers each request by the handler, several at once. Called once by the worker's module. */
export function serveWorker<Request, Response>(
  handler: WorkerHandler<Request, Response>,
  { onNotice }: WorkerOptions = {},
): void {
  const port = portOfWorker()
  const running = new Map<number, RunningJob>()
  const post = (message: FromWorker<Response>, transfer: readonly Transferable[] = []) =>
    port.postMessage(message, [...transfer])

  const run = async (id: number, request: Request, flag: SharedArrayBuffer) => {
    const job = new RunningJob()
    const cell = new Int32Array(flag)
    running.set(id, job)
    try {
      const result = handler(request, job.abort.signal, () => Atomics.load(cell, 0) === 1)
      if (isStream<Response>(result)) {
        for await (const part of result) {
          post({ kind: 'part', id, part: responseOf(part) }, part instanceof Moved ? part.transfer : [])
          await job.sent()
        }
        post({ kind: 'end', id })
        return
      }
      const answer = await (result as Answer<Response> | Promise<Answer<Response>>)
      post({ kind: 'done', id, response: responseOf(answer) }, answer instanceof Moved ? answer.transfer : [])
    } catch (error) {
      const known = asMnemoError(error)
      post({ kind: 'failed', id, code: known.code, message: describeError(known) })
    } finally {
      running.delete(id)
    }
  }
  port.on('message', (message: ToWorker<Request>) => {
    if (message.kind === 'run') void run(message.id, message.request, message.flag)
    else if (message.kind === 'taken') running.get(message.id)?.taken(message.parts)
    else if (message.kind === 'notice') onNotice?.(message.notice)
    else running.get(message.id)?.cancel()
  })
  post({ kind: 'ready' })
}

/** Says something to the pool, which takes it with `onEvent`; for a worker's module. */
export function postEvent(event: unknown): void {
  portOfWorker().postMessage({ kind: 'event', event } satisfies FromWorker<never>)
}

function portOfWorker(): NonNullable<typeof parentPort> {
  if (!parentPort) throw new MnemoError('internal', 'cannot serve jobs: this is the main thread, want a worker')
  return parentPort
}

function isStream<Response>(
  result: ReturnType<WorkerHandler<unknown, Response>>,
): result is AsyncGenerator<Answer<Response>> {
  return typeof result === 'object' && result !== null && Symbol.asyncIterator in result
}

function responseOf<Response>(answer: Answer<Response>): Response {
  return answer instanceof Moved ? answer.response : answer
}

/** A job in its worker: canceled from outside, and, where it streams, held back until its reader has taken parts. */
class RunningJob {
  readonly abort = new AbortController()
  #ahead = 0
  #wake = () => {}

  cancel(): void {
    this.abort.abort(new MnemoError('canceled', 'cannot finish the job: it was canceled'))
    this.#wake()
  }

  taken(parts: number): void {
    this.#ahead -= parts
    this.#wake()
  }

  /** To be awaited after each part. */
  async sent(): Promise<void> {
    this.#ahead++
    while (this.#ahead >= maxPartsAhead && !this.abort.signal.aborted)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    this.abort.signal.throwIfAborted()
  }
}
