// Bytes that are read by position: a file, a buffer, an object in a bucket.
// Owns the interface that format readers read through, so that the same reader serves a disk and a bucket.
import { type FileHandle, open } from 'node:fs/promises'
import { type ErrorCode, MnemoError } from '../kit/errors.ts'
import { mayPass, systemCode } from '../kit/system-errors.ts'

/** A run of bytes of known size. Reads may be concurrent. */
export interface RandomAccess {
  /** What it is, for error messages: a path, an object's name. */
  readonly name: string
  readonly sizeBytes: number
  /** Exactly `length` bytes at `offset`; throws `corrupt` where they lie beyond the end. The caller owns the bytes. */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>
  /** Fills the bytes from `offset` on at once, where that takes no waiting; false: it did not, read() does, or says why not. */
  readNow?(offset: number, into: Uint8Array): boolean
}

/** An open file; the caller closes it. */
export interface FileRandomAccess extends RandomAccess {
  close(): Promise<void>
}

/** Opens a file for reads by position. Throws `not_found` where there is none. */
export async function fileRandomAccess(path: string): Promise<FileRandomAccess> {
  const handle = await openFile(path)
  try {
    const { size } = await handle.stat()
    return {
      name: path,
      sizeBytes: size,
      read: (offset, length, signal) => readFile(handle, { path, size, offset, length, signal }),
      close: () => handle.close(),
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** The same interface over bytes in memory; reads are copies. */
export function bufferRandomAccess(name: string, bytes: Uint8Array): RandomAccess {
  return {
    name,
    sizeBytes: bytes.length,
    async read(offset, length, signal) {
      signal?.throwIfAborted()
      checkRange(name, bytes.length, offset, length)
      return bytes.slice(offset, offset + length)
    },
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (error) {
    throw fileError(`cannot open ${path}`, error)
  }
}

interface FileRange {
  readonly path: string
  readonly size: number
  readonly offset: number
  readonly length: number
  readonly signal: AbortSignal | undefined
}

async function readFile(handle: FileHandle, range: FileRange): Promise<Uint8Array> {
  const { path, offset, length } = range
  range.signal?.throwIfAborted()
  checkRange(path, range.size, offset, length)
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, offset + done).catch((error: unknown) => {
      throw fileError(`cannot read ${path}`, error)
    })
    range.signal?.throwIfAborted()
    if (bytesRead === 0) throw shortRead(path, { offset, length, sizeBytes: offset + done })
    done += bytesRead
  }
  return bytes
}

/** A file system's error under our codes (one of ours stays as it is): `not_found`, `already_exists`, `unavailable` for what may pass (a full disk), else `internal`. */
export function fileError(message: string, cause: unknown): MnemoError {
  if (cause instanceof MnemoError) return cause
  return new MnemoError(fileErrorCode(cause), message, { cause })
}

function fileErrorCode(cause: unknown): ErrorCode {
  if (mayPass(cause)) return 'unavailable'
  switch (systemCode(cause)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'not_found'
    case 'EEXIST':
      return 'already_exists'
    default:
      return 'internal'
  }
}

function checkRange(name: string, sizeBytes: number, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= sizeBytes) return
  throw shortRead(name, { offset, length, sizeBytes })
}

function shortRead(name: string, range: { offset: number; length: number; sizeBytes: number }): MnemoError {
  const { offset, length, sizeBytes } = range
  return new MnemoError(
    'corrupt',
    `cannot read ${length} bytes of ${name} at offset ${offset}: got ${sizeBytes} bytes in all, want ${offset + length}`,
  )
}
