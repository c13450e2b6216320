// A file that is written front to back through two buffers, one of which is filled while the other goes to the file; it can be patched
// and read back, and is on disk when finish() returns. For a thread that does nothing else it is written at once, through one buffer: a
// way to another thread and back takes longer than to hand the system a buffer.
// Owns its descriptor: finish() or abort() must be called.
import { readSync, writeSync } from 'node:fs'
import { type FileHandle, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32c } from './crc32c.ts'
import { freeBytes } from './free-bytes.ts'
import { fileError } from './random-access.ts'

const defaultBufferBytes = 256 * 1024

export interface FileWriterOptions {
  /** It will not be longer, so that no larger buffer is needed. */
  readonly maxBytes?: number
  /** Reads and writes hold the thread. */
  readonly atOnce?: boolean | undefined
}

export class FileWriter {
  readonly path: string
  readonly #handle: FileHandle
  readonly #atOnce: boolean
  #buffer: Buffer
  #buffered = 0
  /** Bytes that are in the file, or on their way to it. */
  #written = 0
  /** What is on its way: an outcome, not a rejection, which whoever comes next is told. */
  #writing: Promise<{ readonly error?: unknown }> = Promise.resolve({})
  #other: Buffer | undefined

  private constructor(path: string, handle: FileHandle, { maxBytes, atOnce = false }: FileWriterOptions) {
    this.path = path
    this.#handle = handle
    this.#atOnce = atOnce
    this.#buffer = Buffer.allocUnsafeSlow(Math.min(maxBytes ?? defaultBufferBytes, defaultBufferBytes))
  }

  /** Creates the file, or empties the one that is there. */
  static async create(path: string, options: FileWriterOptions = {}): Promise<FileWriter> {
    try {
      return new FileWriter(path, await open(path, 'w+'), options)
    } catch (error) {
      throw fileError(`cannot create ${path}`, error)
    }
  }

  /** Bytes appended so far. */
  get position(): number {
    return this.#written + this.#buffered
  }

  /** Appends; the bytes may be reused once the promise is fulfilled. */
  async append(bytes: Uint8Array): Promise<void> {
    await this.makeRoom(bytes.length)
    if (bytes.length > this.#buffer.length) {
      await this.#drain()
      await this.#writeAt(bytes, this.#written)
      this.#written += bytes.length
      return
    }
    this.#buffer.set(bytes, this.#buffered)
    this.#buffered += bytes.length
  }

  /** What can be appended without waiting, in bytes. */
  get room(): number {
    return this.#buffer.length - this.#buffered
  }

  /** Makes room for so many bytes, or all that there can be. */
  async makeRoom(bytes: number): Promise<void> {
    if (bytes > this.room) await this.#flush()
  }

  /** Appends at once; there must be room. */
  appendNow(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#buffered)
    this.#buffered += bytes.length
  }

  /** Appends zeros up to a multiple of `size`. */
  async align(size: number): Promise<void> {
    const over = this.position % size
    if (over !== 0) await this.append(new Uint8Array(size - over))
  }

  /** Overwrites bytes that were appended before. */
  async patch(bytes: Uint8Array, offset: number): Promise<void> {
    await this.#drain()
    await this.#writeAt(bytes, offset)
  }

  /** Bytes that were appended before. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    await this.#drain()
    const bytes = new Uint8Array(length)
    for (let done = 0; done < length; ) {
      const bytesRead = await this.#readAt(bytes.subarray(done), offset + done)
      if (bytesRead === 0) throw fileError(`cannot read back ${this.path}: got its end at ${offset + done}`, undefined)
      done += bytesRead
    }
    return bytes
  }

  async #readAt(into: Uint8Array, offset: number): Promise<number> {
    try {
      if (this.#atOnce) return readSync(this.#handle.fd, into, 0, into.length, offset)
      return (await this.#handle.read(into, 0, into.length, offset)).bytesRead
    } catch (error) {
      throw fileError(`cannot read back ${this.path}`, error)
    }
  }

  /** The CRC-32C of what was appended in [start, end), read back in pieces. */
  async crc32c(start: number, end: number): Promise<number> {
    let crc = 0
    for (let at = start; at < end; at += defaultBufferBytes) {
      crc = crc32c(await this.read(at, Math.min(defaultBufferBytes, end - at)), crc)
    }
    return crc
  }

  /** Writes what is buffered and closes; on disk unless not `durable`. */
  async finish({ durable = true } = {}): Promise<void> {
    try {
      await this.#drain()
      if (durable) await this.#handle.sync()
    } catch (error) {
      throw fileError(`cannot write ${this.path}`, error)
    } finally {
      await this.#close()
    }
  }

  /** Closes; what is in the file is of no use. */
  async abort(): Promise<void> {
    await this.#close()
  }

  async #close(): Promise<void> {
    await this.#writing
    await this.#handle.close()
    freeBytes(this.#buffer)
    if (this.#other) freeBytes(this.#other)
  }

  /** Sends what is buffered on its way, once what was sent before has arrived. */
  async #flush(): Promise<void> {
    await this.#arrived()
    if (this.#buffered === 0) return
    const full = this.#buffer
    if (this.#atOnce) {
      await this.#writeAt(full.subarray(0, this.#buffered), this.#written)
      this.#written += this.#buffered
      this.#buffered = 0
      return
    }
    this.#writing = this.#writeAt(full.subarray(0, this.#buffered), this.#written).then(
      () => ({}),
      (error: unknown) => ({ error }),
    )
    this.#written += this.#buffered
    this.#buffered = 0
    this.#buffer = this.#other ?? Buffer.allocUnsafeSlow(full.length)
    this.#other = full
  }

  /** All that was appended is in the file. */
  async #drain(): Promise<void> {
    await this.#flush()
    await this.#arrived()
  }

  async #arrived(): Promise<void> {
    const { error } = await this.#writing
    if (error !== undefined) throw error
  }

  async #writeAt(bytes: Uint8Array, offset: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const range = [done, bytes.length - done, offset + done] as const
        if (this.#atOnce) done += writeSync(this.#handle.fd, bytes, ...range)
        else done += (await this.#handle.write(bytes, ...range)).bytesWritten
      }
    } catch (error) {
      throw fileError(`cannot write ${this.path}`, error)
    }
  }
}

/** Makes renames and new files in a folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Replaces a small file: readers see the old bytes or the new ones, also after a power cut. */
export async function writeFileAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const writer = await FileWriter.create(`${path}.tmp`)
  await writer.append(bytes)
  await writer.finish()
  await rename(writer.path, path)
  await syncFolder(dirname(path))
}
