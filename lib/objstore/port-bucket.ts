// A bucket that another thread works on through a port: one client, one set of connections and metrics for a process, and its
// HTTP runs beside the work. Ranges are moved between the threads, not copied; of a bucket that is a folder, what may be read at once is
// read where it is wanted: a way to another thread and back takes longer than the read.
// Owns the messages. A thread that dies has its calls ended; its own client would have died with it.
import { join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import { asMnemoError, describeError, type ErrorCode, MnemoError } from '../kit/errors.ts'
import type { ListedObject, ObjectAttributes, WorkBucket } from './bucket.ts'
import { abortError } from './failures.ts'
import { LocalFile } from './local-file.ts'
import { checkObjectName } from './names.ts'
import { OpenFiles } from './open-files.ts'

/** A call's name and arguments; what cannot be cloned is spelt out. */
type Call =
  | { readonly call: 'list'; readonly folder: string; readonly recursive: boolean }
  | { readonly call: 'range'; readonly name: string; readonly offset: number; readonly length: number }
  | { readonly call: 'attributes' | 'delete'; readonly name: string }
  | {
      readonly call: 'upload'
      readonly name: string
      readonly path: string
      readonly sizeBytes: number
      readonly mayLink: boolean
    }

type Value = ListedObject[] | Uint8Array | ObjectAttributes | undefined

/** What was read at once: bytes and seconds of each range in turn. */
interface Notes {
  readonly call: 'noted'
  readonly ranges: readonly number[]
}

type ToBucket = ({ readonly id: number } & Call) | { readonly id: number; readonly call: 'abort' } | Notes

type FromBucket =
  | { readonly id: number; readonly value: Value }
  | { readonly id: number; readonly code: ErrorCode; readonly message: string }
  | { readonly folder: string }

export interface ServeBucketOptions {
  /** Told of the bytes of each range. */
  readonly onRead?: ((bytes: number) => void) | undefined
}

/** Does on `bucket` what portBucket() asks for at the other end, until that closes. */
export function serveBucket(bucket: WorkBucket, port: MessagePort, { onRead }: ServeBucketOptions = {}): void {
  const running = new Map<number, AbortController>()
  const answer = async (call: Call, id: number) => {
    const abort = new AbortController()
    running.set(id, abort)
    try {
      const value = await perform(bucket, call, abort.signal)
      const isRange = value instanceof Uint8Array
      if (isRange) onRead?.(value.length)
      port.postMessage({ id, value } satisfies FromBucket, isRange ? ownedMemory(value) : [])
    } catch (error) {
      const known = asMnemoError(error)
      port.postMessage({ id, code: known.code, message: describeError(known) } satisfies FromBucket)
    } finally {
      running.delete(id)
    }
  }
  const end = (abort: AbortController | undefined) => abort?.abort(new MnemoError('canceled', 'its caller has left'))
  const note = ({ ranges }: Notes) => {
    for (let at = 0; at < ranges.length; at += 2) {
      onRead?.(ranges[at]!)
      bucket.noteRange?.(ranges[at]!, ranges[at + 1]!)
    }
  }
  if (bucket.folder !== undefined) port.postMessage({ folder: bucket.folder } satisfies FromBucket)
  port.on('message', (message: ToBucket) => {
    if (message.call === 'abort') end(running.get(message.id))
    else if (message.call === 'noted') note(message)
    else void answer(message, message.id)
  })
  port.on('close', () => running.forEach(end))
}

async function perform(bucket: WorkBucket, call: Call, signal: AbortSignal): Promise<Value> {
  switch (call.call) {
    case 'list':
      return Array.fromAsync(bucket.list(call.folder, { recursive: call.recursive, signal }))
    case 'range':
      return bucket.getRange(call.name, call.offset, call.length, signal)
    case 'attributes':
      return bucket.attributes(call.name, signal)
    case 'delete':
      return void (await bucket.delete(call.name, signal))
    case 'upload':
      return void (await bucket.upload(call.name, new LocalFile(call.path, call), signal))
  }
}

/** What may be moved: memory that is these bytes' alone. */
function ownedMemory({ buffer, byteLength }: Uint8Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && byteLength > 0 ? [buffer] : []
}

/** The bucket that serveBucket() serves at the port's other end. Its errors keep their code and say their causes. */
export function portBucket(port: MessagePort): WorkBucket {
  return new PortBucket(port)
}

interface Waiting {
  resolve(value: Value): void
  reject(error: MnemoError): void
}

class PortBucket implements WorkBucket {
  readonly #port: MessagePort
  readonly #waiting = new Map<number, Waiting>()
  readonly #files = new OpenFiles()
  #folder: string | undefined
  #noted: number[] = []
  #nextId = 1

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (message: FromBucket) => {
      if ('folder' in message) {
        this.#folder = message.folder
        return
      }
      const waiting = this.#waiting.get(message.id)
      this.#waiting.delete(message.id)
      if ('code' in message) waiting?.reject(new MnemoError(message.code, message.message))
      else waiting?.resolve(message.value)
    })
    port.on('close', () => {
      for (const { reject } of this.#waiting.values())
        reject(new MnemoError('unavailable', 'cannot reach the bucket: the thread that holds it has gone'))
      this.#waiting.clear()
      this.#files.close()
    })
  }

  async *list(
    folder: string,
    { recursive = false, signal }: { recursive?: boolean; signal?: AbortSignal } = {},
  ): AsyncGenerator<ListedObject> {
    yield* (await this.#call({ call: 'list', folder, recursive }, signal)) as ListedObject[]
  }

  async getRange(name: string, offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    return (await this.#call({ call: 'range', name, offset, length }, signal)) as Uint8Array
  }

  readNow(name: string, offset: number, into: Uint8Array): boolean {
    if (this.#folder === undefined) return false
    const startedMs = performance.now()
    try {
      checkObjectName(name)
      if (!this.#files.readNow(join(this.#folder, name), offset, into)) return false
    } catch {
      return false
    }
    if (this.#noted.length === 0) setImmediate(() => this.#sendNotes())
    this.#noted.push(into.length, (performance.now() - startedMs) / 1000)
    return true
  }

  #sendNotes(): void {
    this.#port.postMessage({ call: 'noted', ranges: this.#noted } satisfies ToBucket)
    this.#noted = []
  }

  async attributes(name: string, signal?: AbortSignal): Promise<ObjectAttributes> {
    return (await this.#call({ call: 'attributes', name }, signal)) as ObjectAttributes
  }

  async upload(name: string, { path, sizeBytes, mayLink }: LocalFile, signal?: AbortSignal): Promise<void> {
    await this.#call({ call: 'upload', name, path, sizeBytes, mayLink }, signal)
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    await this.#call({ call: 'delete', name }, signal)
  }

  /** Settles when the bucket has: also after an abort, so that nothing goes on behind the caller's back. */
  async #call(call: Call, signal: AbortSignal | undefined): Promise<Value> {
    const id = this.#nextId++
    const onAbort = () => this.#port.postMessage({ id, call: 'abort' } satisfies ToBucket)
    const { promise, resolve, reject } = Promise.withResolvers<Value>()
    this.#waiting.set(id, { resolve, reject })
    this.#port.postMessage({ id, ...call } satisfies ToBucket)
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await promise
    } catch (error) {
      throw signal?.aborted ? abortError(signal, 'go on in the bucket') : error
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }
}
