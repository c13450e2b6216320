// Files that are read by ranges again and again, kept open: opening one costs as much as reading from it.
// Before each read the name is looked at: a file that is gone or was replaced since is not read from any more.
// Owns the descriptors; those that are not used for a while are closed.
import { close, fstatSync, open, openSync, read, readSync, type Stats, statSync } from 'node:fs'
import { promisify } from 'node:util'

const openFile = promisify(open)
const closeFile = promisify(close)

const maxOpenFiles = 64
const idleMs = 10_000

interface OpenFile {
  readonly descriptor: number
  readonly device: number
  readonly inode: number
  users: number
  usedMs: number
  /** To be closed by its last user. */
  isDropped: boolean
}

export class OpenFiles {
  /** By path, the one that was used longest ago first. */
  readonly #files = new Map<string, OpenFile>()
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  /**
   * Up to `length` bytes at `offset`: fewer where the file ends before; undefined where it is none. Throws the system's errors, and
   * what `check` throws, which is called before each read.
   */
  async read(path: string, offset: number, length: number, check: () => void): Promise<Uint8Array | undefined> {
    const stats = statSync(path)
    if (!stats.isFile()) return undefined
    const file = this.#known(path, stats) ?? this.#keep(path, await openFile(path, 'r'))
    try {
      // Its size may have been asked of another file than was opened.
      const { size } = isSame(file, stats) ? stats : fstatSync(file.descriptor)
      return await readFully(file.descriptor, { offset, length: Math.max(0, Math.min(length, size - offset)) }, check)
    } finally {
      leave(file)
    }
  }

  /** Fills `into` from `offset` on, at once; false where the file ends before, or there is none. Throws the system's errors. */
  readNow(path: string, offset: number, into: Uint8Array): boolean {
    const stats = statSync(path)
    if (!stats.isFile()) return false
    const file = this.#known(path, stats) ?? this.#keep(path, openSync(path, 'r'))
    try {
      for (let filled = 0; filled < into.length; ) {
        const count = readSync(file.descriptor, into, filled, into.length - filled, offset + filled)
        if (count === 0) return false
        filled += count
      }
      return true
    } finally {
      leave(file)
    }
  }

  /** The file, with one more user. */
  #known(path: string, stats: Stats): OpenFile | undefined {
    const file = this.#files.get(path)
    if (file === undefined) return undefined
    this.#files.delete(path)
    if (isSame(file, stats)) {
      file.users++
      this.#files.set(path, file)
      return file
    }
    drop(file)
    return undefined
  }

  /** As #known(), opened now. */
  #keep(path: string, descriptor: number): OpenFile {
    const { dev, ino } = fstatSync(descriptor)
    const usedMs = performance.now()
    const file: OpenFile = { descriptor, device: dev, inode: ino, users: 1, usedMs, isDropped: this.#isClosed }
    if (file.isDropped) return file
    const other = this.#files.get(path)
    if (other) drop(other)
    this.#files.set(path, file)
    if (this.#files.size > maxOpenFiles) this.#drop(this.#files.keys().next().value!)
    this.#timer ??= setInterval(() => this.#dropIdle(), idleMs).unref()
    return file
  }

  #drop(path: string): void {
    const file = this.#files.get(path)
    this.#files.delete(path)
    if (file) drop(file)
  }

  #dropIdle(): void {
    const since = performance.now() - idleMs
    for (const [path, file] of this.#files) if (file.usedMs < since && file.users === 0) this.#drop(path)
    if (this.#files.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Closes all; those that are being read, at the end of that. */
  close(): void {
    this.#isClosed = true
    clearInterval(this.#timer)
    for (const path of [...this.#files.keys()]) this.#drop(path)
  }
}

function isSame({ device, inode }: OpenFile, { dev, ino }: Stats): boolean {
  return device === dev && inode === ino
}

function leave(file: OpenFile): void {
  file.users--
  file.usedMs = performance.now()
  if (file.isDropped && file.users === 0) void closeFile(file.descriptor)
}

function drop(file: OpenFile): void {
  file.isDropped = true
  if (file.users === 0) void closeFile(file.descriptor)
}

async function readFully(
  descriptor: number,
  { offset, length }: { readonly offset: number; readonly length: number },
  check: () => void,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
  let filled = 0
  while (filled < length) {
    check()
    const count = await readInto(descriptor, bytes.subarray(filled), offset + filled)
    if (count === 0) break
    filled += count
  }
  return bytes.subarray(0, filled)
}

function readInto(descriptor: number, into: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) =>
    read(descriptor, into, 0, into.length, position, (error, count) => (error ? reject(error) : resolve(count))),
  )
}
