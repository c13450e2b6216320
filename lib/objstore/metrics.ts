// A bucket that counts what is done to it.
// Specification: metric names, labels and buckets of Thanos's objstore package.
// Owns those metrics; not_found, already_exists and cancelled operations are answers, not failures.
import { pipeline, type Readable, Transform } from 'node:stream'
import { asMnemoError } from '../kit/errors.ts'
import { counter, gauge, histogram, type Registry } from '../kit/metrics.ts'
import type { Bucket, ListedObject, ObjectAttributes } from './bucket.ts'

const operations = ['iter', 'get', 'get_range', 'exists', 'upload', 'delete', 'attributes'] as const
type Operation = (typeof operations)[number]
const transferring: readonly Operation[] = ['get', 'get_range', 'upload']

/** The bucket, counting into the registry under the label bucket=`name`. */
export function metricsBucket(inner: Bucket, name: string, registry: Registry): Bucket {
  return new MetricsBucket(inner, bucketMetrics(name, registry))
}

/** The bucket, told of in calls that can be posted to another thread; there replayBucketCalls() counts them. */
export function reportingBucket(inner: Bucket, name: string, report: (call: BucketCall) => void): Bucket {
  const post =
    <K extends keyof BucketMetrics>(call: K) =>
    (...args: Parameters<BucketMetrics[K]>) =>
      report({ bucket: name, call, args } as BucketCall)
  return new MetricsBucket(inner, {
    started: post('started'),
    failed: post('failed'),
    done: post('done'),
    moved: post('moved'),
    uploaded: post('uploaded'),
  })
}

/** Counts calls of buckets in other threads into the registry. */
export function replayBucketCalls(registry: Registry): (call: BucketCall) => void {
  const buckets = new Map<string, BucketMetrics>()
  return ({ bucket, call, args }) => {
    const metrics = buckets.get(bucket) ?? bucketMetrics(bucket, registry)
    buckets.set(bucket, metrics)
    ;(metrics[call] as (...args: unknown[]) => void)(...args)
  }
}

interface BucketMetrics {
  started(operation: Operation): void
  failed(operation: Operation): void
  done(operation: Operation, seconds: number): void
  moved(operation: Operation, bytes: number): void
  uploaded(): void
}

/** Structured-cloneable. */
export type BucketCall = {
  [K in keyof BucketMetrics]: { readonly bucket: string; readonly call: K; readonly args: Parameters<BucketMetrics[K]> }
}[keyof BucketMetrics]

function bucketMetrics(bucket: string, registry: Registry): BucketMetrics {
  const labelNames = ['bucket', 'operation'] as const
  const total = counter(registry, {
    name: 'thanos_objstore_bucket_operations_total',
    help: 'Total number of all attempted operations against a bucket.',
    labelNames,
  })
  const failures = counter(registry, {
    name: 'thanos_objstore_bucket_operation_failures_total',
    help: 'Total number of operations against a bucket that failed, but were not expected to fail.',
    labelNames,
  })
  const fetched = counter(registry, {
    name: 'thanos_objstore_bucket_operation_fetched_bytes_total',
    help: 'Total number of bytes fetched from bucket, per operation.',
    labelNames,
  })
  const transferred = histogram(registry, {
    name: 'thanos_objstore_bucket_operation_transferred_bytes',
    help: 'Number of bytes transferred from/to bucket per operation.',
    labelNames,
    buckets: Array.from({ length: 16 }, (_, i) => 2 ** (15 + i)),
  })
  const duration = histogram(registry, {
    name: 'thanos_objstore_bucket_operation_duration_seconds',
    help: 'Duration of successful operations against the bucket per operation.',
    labelNames,
    buckets: [0.001, 0.01, 0.1, 0.3, 0.6, 1, 3, 6, 9, 20, 30, 60, 90, 120],
  })
  const lastUpload = gauge(registry, {
    name: 'thanos_objstore_bucket_last_successful_upload_time',
    help: 'Second timestamp of the last successful upload to the bucket.',
    labelNames: ['bucket'],
  })
  for (const operation of operations) {
    total.inc({ bucket, operation }, 0)
    failures.inc({ bucket, operation }, 0)
    duration.zero({ bucket, operation })
  }
  for (const operation of transferring) {
    fetched.inc({ bucket, operation }, 0)
    transferred.zero({ bucket, operation })
  }
  lastUpload.inc({ bucket }, 0)
  return {
    started: (operation) => total.inc({ bucket, operation }),
    failed: (operation) => failures.inc({ bucket, operation }),
    done: (operation, seconds) => duration.observe({ bucket, operation }, seconds),
    moved(operation, bytes) {
      transferred.observe({ bucket, operation }, bytes)
      if (operation !== 'upload') fetched.inc({ bucket, operation }, bytes)
    },
    uploaded: () => lastUpload.set({ bucket }, Date.now() / 1000),
  }
}

class MetricsBucket implements Bucket {
  readonly description: string
  readonly #inner: Bucket
  readonly #metrics: BucketMetrics

  constructor(inner: Bucket, metrics: BucketMetrics) {
    this.#inner = inner
    this.#metrics = metrics
    this.description = inner.description
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

  exists(name: string, signal?: AbortSignal): Promise<boolean> {
    return this.#measure('exists', () => this.#inner.exists(name, signal))
  }

  attributes(name: string, signal?: AbortSignal): Promise<ObjectAttributes> {
    return this.#measure('attributes', () => this.#inner.attributes(name, signal))
  }

  async upload(name: string, body: Readable | Uint8Array, signal?: AbortSignal): Promise<void> {
    if (body instanceof Uint8Array) return this.#put('upload', name, body, signal)
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
    return this.#put('putIfAbsent', name, body, signal)
  }

  async #put(how: 'upload' | 'putIfAbsent', name: string, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#measure('upload', () => this.#inner[how](name, body, signal))
    this.#metrics.moved('upload', body.length)
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
