// A bucket within a bucket: every name below a fixed prefix.
// Specification: `prefix` of Thanos's object storage configuration.
// Owns the translation of names, both ways.
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Bucket, ListedObject, ObjectAttributes, ObjectBody } from './bucket.ts'
import { checkObjectName, folderPrefix } from './names.ts'

/** The part of `bucket` below `prefix`; slashes around it are dropped, an empty one gives the bucket itself. */
export function prefixBucket(bucket: Bucket, prefix: string): Bucket {
  const trimmed = prefix.replace(/^\/+|\/+$/g, '')
  return trimmed === '' ? bucket : new PrefixBucket(bucket, folderPrefix(trimmed))
}

class PrefixBucket implements Bucket {
  readonly description: string
  readonly readBytes?: number
  readonly folder?: string
  readonly #inner: Bucket
  readonly #prefix: string

  constructor(inner: Bucket, prefix: string) {
    this.#inner = inner
    this.#prefix = prefix
    this.description = `${inner.description} below ${prefix}`
    if (inner.readBytes !== undefined) this.readBytes = inner.readBytes
    if (inner.folder !== undefined) this.folder = join(inner.folder, prefix)
  }

  async *list(folder: string, options?: { recursive?: boolean; signal?: AbortSignal }): AsyncGenerator<ListedObject> {
    for await (const object of this.#inner.list(this.#prefix + folderPrefix(folder), options))
      yield { ...object, name: object.name.slice(this.#prefix.length) }
  }

  async get(name: string, signal?: AbortSignal): Promise<Readable> {
    return this.#inner.get(this.#full(name), signal)
  }

  async getRange(name: string, offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    return this.#inner.getRange(this.#full(name), offset, length, signal)
  }

  async exists(name: string, signal?: AbortSignal): Promise<boolean> {
    return this.#inner.exists(this.#full(name), signal)
  }

  async attributes(name: string, signal?: AbortSignal): Promise<ObjectAttributes> {
    return this.#inner.attributes(this.#full(name), signal)
  }

  async upload(name: string, body: ObjectBody, signal?: AbortSignal): Promise<void> {
    return this.#inner.upload(this.#full(name), body, signal)
  }

  async putIfAbsent(name: string, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#inner.putIfAbsent(this.#full(name), body, signal)
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    return this.#inner.delete(this.#full(name), signal)
  }

  noteRange(bytes: number, seconds: number): void {
    this.#inner.noteRange?.(bytes, seconds)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  #full(name: string): string {
    checkObjectName(name.endsWith('/') ? name.slice(0, -1) : name)
    return this.#prefix + name
  }
}
