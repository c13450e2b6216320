// A bucket in memory, for tests and as the plainest model of the interface.
// Specification: bucket.ts.
// Owns copies of all bytes that it was given.
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { MnemoError } from '../kit/errors.ts'
import { compareStrings } from '../labels/labels.ts'
import type { Bucket, ListedObject, ObjectAttributes, ObjectBody } from './bucket.ts'
import { abortable, abortError, throwIfAborted } from './failures.ts'
import { LocalFile } from './local-file.ts'
import { checkObjectName, checkRange, folderPrefix } from './names.ts'

interface StoredObject {
  readonly bytes: Uint8Array
  readonly lastModifiedMs: number
}

export class MemoryBucket implements Bucket {
  readonly description = 'memory'
  #objects = new Map<string, StoredObject>()

  async *list(
    folder: string,
    { recursive = false, signal }: { recursive?: boolean; signal?: AbortSignal } = {},
  ): AsyncGenerator<ListedObject> {
    const prefix = folderPrefix(folder)
    const names = [...this.#objects.keys()].filter((name) => name.startsWith(prefix)).sort(compareStrings)
    let lastFolder: string | undefined
    for (const name of names) {
      throwIfAborted(signal, `list ${folder}`)
      const slash = recursive ? -1 : name.indexOf('/', prefix.length)
      if (slash < 0) {
        const object = this.#objects.get(name)
        if (object) yield { name, sizeBytes: object.bytes.length, lastModifiedMs: object.lastModifiedMs }
        continue
      }
      const below = name.slice(0, slash + 1)
      if (below !== lastFolder) yield { name: below }
      lastFolder = below
    }
  }

  async get(name: string, signal?: AbortSignal): Promise<Readable> {
    const { bytes } = this.#object('read', name, signal)
    return Readable.from(bytes.length === 0 ? [] : [Buffer.from(bytes)], { objectMode: false })
  }

  async getRange(name: string, offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    checkRange(name, offset, length)
    return this.#object('read', name, signal).bytes.slice(offset, offset + length)
  }

  async exists(name: string, signal?: AbortSignal): Promise<boolean> {
    checkObjectName(name)
    throwIfAborted(signal, `look for ${name}`)
    return this.#objects.has(name)
  }

  async attributes(name: string, signal?: AbortSignal): Promise<ObjectAttributes> {
    const { bytes, lastModifiedMs } = this.#object('look at', name, signal)
    return { sizeBytes: bytes.length, lastModifiedMs }
  }

  async upload(name: string, body: ObjectBody, signal?: AbortSignal): Promise<void> {
    checkObjectName(name)
    throwIfAborted(signal, `upload ${name}`)
    const bytes = await bytesOf(name, body, signal)
    this.#objects.set(name, { bytes, lastModifiedMs: Date.now() })
  }

  async putIfAbsent(name: string, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkObjectName(name)
    throwIfAborted(signal, `upload ${name}`)
    if (this.#objects.has(name)) throw new MnemoError('already_exists', `cannot create ${name}: it is already there`)
    this.#objects.set(name, { bytes: Uint8Array.from(body), lastModifiedMs: Date.now() })
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    checkObjectName(name.endsWith('/') ? name.slice(0, -1) : name)
    throwIfAborted(signal, `delete ${name}`)
    this.#objects.delete(name)
  }

  async close(): Promise<void> {
    this.#objects.clear()
  }

  #object(verb: string, name: string, signal: AbortSignal | undefined): StoredObject {
    checkObjectName(name)
    throwIfAborted(signal, `${verb} ${name}`)
    const object = this.#objects.get(name)
    if (!object) throw new MnemoError('not_found', `cannot ${verb} ${name}: no such object`)
    return object
  }
}

async function bytesOf(name: string, body: ObjectBody, signal: AbortSignal | undefined): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return Uint8Array.from(body)
  if (body instanceof LocalFile) return body.read((bytes) => bytesOf(name, bytes, signal))
  try {
    const { buffer: all, byteOffset, length } = await buffer(abortable(body, signal))
    // No Buffer: its slices are views.
    return new Uint8Array(all, byteOffset, length)
  } catch (error) {
    if (signal?.aborted) throw abortError(signal, `upload ${name}`)
    throw error
  }
}
