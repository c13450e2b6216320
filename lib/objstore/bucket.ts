// The one interface to object storage. Implementations: filesystem, S3, memory; wrappers: retry, metrics.
// Names are '/'-separated, relative to the configured prefix, without a leading slash.
// Errors: `not_found` for a missing object, `already_exists` from a conditional put, `unavailable` for what may pass.
import type { Readable } from 'node:stream'
import type { LocalFile } from './local-file.ts'

/** What an object is to hold. */
export type ObjectBody = Readable | Uint8Array | LocalFile

export interface ObjectAttributes {
  readonly sizeBytes: number
  /** Unix milliseconds. */
  readonly lastModifiedMs: number
}

export interface ListedObject extends Partial<ObjectAttributes> {
  /** Full name; a folder's ends in '/'. */
  readonly name: string
}

export interface Bucket {
  /** For logs: type and name, never a secret. */
  readonly description: string
  /** Of an object that is read from end to end so much is read at a time, where a read costs next to nothing by itself. */
  readonly readBytes?: number
  /** A folder of this machine in which each object is a file of its name. */
  readonly folder?: string
  /**
   * Objects and folders directly below `folder` ('' is the top), or all objects below it where `recursive`.
   * In the order of their names by bytes. An empty or missing folder lists nothing.
   */
  list(folder: string, options?: { recursive?: boolean; signal?: AbortSignal }): AsyncIterable<ListedObject>
  /** The whole object as a stream. */
  get(name: string, signal?: AbortSignal): Promise<Readable>
  /** `length` bytes at `offset`, fewer where the object ends before. They are the caller's alone. */
  getRange(name: string, offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>
  exists(name: string, signal?: AbortSignal): Promise<boolean>
  attributes(name: string, signal?: AbortSignal): Promise<ObjectAttributes>
  /** Creates or replaces; the object is there whole or not at all. A stream is never buffered whole. */
  upload(name: string, body: ObjectBody, signal?: AbortSignal): Promise<void>
  /** Creates the object only where none of that name is there: of two racing puts one wins, the other gets `already_exists`. */
  putIfAbsent(name: string, body: Uint8Array, signal?: AbortSignal): Promise<void>
  /** Deletes; a missing object is no error. */
  delete(name: string, signal?: AbortSignal): Promise<void>
  /** Told of a range of so many bytes that was read in `folder`, past this. */
  noteRange?(bytes: number, seconds: number): void
  close(): Promise<void>
}

/** What reading blocks takes of a bucket. */
export interface ReadableBucket extends Pick<Bucket, 'list' | 'getRange' | 'attributes'> {
  /** As RandomAccess has it, of an object. */
  readNow?(name: string, offset: number, into: Uint8Array): boolean
}

/** What making a block of others takes. */
export interface WorkBucket extends ReadableBucket, Pick<Bucket, 'delete' | 'folder' | 'noteRange'> {
  upload(name: string, body: LocalFile, signal?: AbortSignal): Promise<void>
}
