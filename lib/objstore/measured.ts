// A bucket that tells of what is done to it.
// Owns what counts as a failure: not_found, already_exists and cancelled operations are answers.
import { pipeline, type Readable, Transform } from 'node:stream'
import { asMnemoError } from '../kit/errors.ts'
import type { Bucket, ListedObject, ObjectAttributes, ObjectBody } from './bucket.ts'
import { LocalFile } from './local-file.ts'

export const operations = ['iter', 'get', 'get_range', 'exists', 'upload', 'delete', 'attributes'] as const
type Operation = (typeof operations)[number]
export const transferring: readonly Operation[] = ['get', 'get_range', 'upload']

/** Told of each operation. */
export interface BucketMetrics {
  started(operation: Operation): void
  failed(operation: Operation): void
  done(operation: Operation, seconds: number): void
  moved(operation: Operation, bytes: number): void
  uploaded(): void
}

export class MeasuredBucket implements Bucket {
  readonly description: string
  readonly readBytes?: number
  readonly folder?: string
  readonly #inner: Bucket
  readonly #metrics: BucketMetrics

  constructor(inner: Bucket, metrics: BucketMetrics) {
    this.#inner = inner
    this.#metrics = metrics
    this.description = inner.description
    if (inner.readBytes !== undefined) this.readBytes = inner.readBytes
    if (inner.folder !== undefined) this.folder = inner.folder
  }

  #done(operation: Operation, startedMs: number): void {
    this.#metrics.done(operation, (performance.now() - startedMs) / 1000)
  }

  #failed(operation: Operation, error: unknown): void {
    const { code } = asMnemoError(error)
    if (code !== 'not_found' && code !== 'already_exists' && code !== 'canceled') this.#metrics.failed(operation)
  }

  async #measure<T>(operation: Operation, run: () => Promise<T>): Promise<T> {
    const startedMs = performance.now()
    this.#metrics.started(operation)
    try {
      const value = await run()
      this.#done(operation, startedMs)
      return value
    } catch (error) {
      this.#failed(operation, error)
      throw error
    }
  }

  async *list(folder: string, options?: { recursive?: boolean; signal?: AbortSignal }): AsyncGenerator<ListedObject> {
    const startedMs = performance.now()
    this.#metrics.started('iter')
    try {
      yield* this.#inner.list(folder, options)
      this.#done('iter', startedMs)
    } catch (error) {
      this.#failed('iter', error)
      throw error
    }
  }

  async get(name: string, signal?: AbortSignal): Promise<Readable> {
    const startedMs = performance.now()
    this.#metrics.started('get')
    try {
      const { stream } = counting(await this.#inner.get(name, signal), (bytes, error) => {
        this.#metrics.moved('get', bytes)
        if (error) this.#failed('get', error)
        else this.#done('get', startedMs)
      })
      return stream
    } catch (error) {
      this.#failed('get', error)
      throw error
    }
  }

  async getRange(name: string, offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    const bytes = await this.#measure('get_range', () => this.#inner.getRange(name, offset, length, signal))
    this.#metrics.moved('get_range', bytes.length)
    return bytes
  }

  noteRange(bytes: number, seconds: number): void {
    this.#metrics.started('get_range')
    this.#metrics.done('get_range', seconds)
    this.#metrics.moved('get_range', bytes)
  }

  exists(name: string, signal?: AbortSignal): Promise<boolean> {
    return this.#measure('exists', () => this.#inner.exists(name, signal))
  }

  attributes(name: string, signal?: AbortSignal): Promise<ObjectAttributes> {
    return this.#measure('attributes', () => this.#inner.attributes(name, signal))
  }

  async upload(name: string, body: ObjectBody, signal?: AbortSignal): Promise<void> {
    if (body instanceof Uint8Array) return this.#put(body.length, () => this.#inner.upload(name, body, signal))
    if (body instanceof LocalFile) return this.#put(body.sizeBytes, () => this.#inner.upload(name, body, signal))
    const { stream, bytes } = counting(body, () => {})
    try {
      await this.#measure('upload', () => this.#inner.upload(name, stream, signal))
    } finally {
      stream.destroy()
    }
    this.#metrics.moved('upload', bytes())
    this.#metrics.uploaded()
  }

  putIfAbsent(name: string, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#put(body.length, () => this.#inner.putIfAbsent(name, body, signal))
  }

  async #put(sizeBytes: number, put: () => Promise<void>): Promise<void> {
    await this.#measure('upload', put)
    this.#metrics.moved('upload', sizeBytes)
    this.#metrics.uploaded()
  }

  delete(name: string, signal?: AbortSignal): Promise<void> {
    return this.#measure('delete', () => this.#inner.delete(name, signal))
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}

interface Counted {
  readonly stream: Readable
  bytes(): number
}

/** The same bytes, counted; `ended` is told at their end, at a failure, or where the reader leaves before. */
function counting(source: Readable, ended: (bytes: number, error: Error | undefined) => void): Counted {
  let bytes = 0
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      done(null, chunk)
    },
  })
  // A reader that has seen enough destroys the stream: that is no failure.
  pipeline(source, counter, (error) => {
    ended(bytes, error && error.code !== 'ERR_STREAM_PREMATURE_CLOSE' ? error : undefined)
  })
  return { stream: counter, bytes: () => bytes }
}
