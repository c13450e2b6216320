// A bucket that is a directory: one file an object, at the object's name.
// Specification: Thanos's FILESYSTEM bucket (same layout); uploads are atomic and durable here, which Thanos's are not.
// Owns the hidden folder for uploads in progress, beside the objects so that a rename publishes them.
import { randomUUID } from 'node:crypto'
import { type Dirent, type Stats, statSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import path from 'node:path'
import { type Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { freeChunk } from '../bytes/file-stream.ts'
import { MnemoError } from '../kit/errors.ts'
import { makeFolder } from '../kit/make-folder.ts'
import { systemCode } from '../kit/system-errors.ts'
import type { Bucket, ListedObject, ObjectAttributes, ObjectBody } from './bucket.ts'
import { abortable, fileError, throwIfAborted } from './failures.ts'
import { LocalFile } from './local-file.ts'
import { checkObjectName, checkRange, compareListed, folderPrefix } from './names.ts'
import { OpenFiles } from './open-files.ts'

/** Never listed, and no object may be named so. */
const temporaryFolder = '.mnemo-upload'
/** What a process that was killed left behind is removed once it is older than this. */
const abandonedAfterMs = 24 * 3600 * 1000

export class FilesystemBucket implements Bucket {
  readonly description: string
  readonly readBytes = 256 * 1024
  readonly folder: string
  readonly #files = new OpenFiles()
  #swept = false

  /** `directory` is made with the first upload. */
  constructor(directory: string) {
    this.folder = path.resolve(directory)
    this.description = `directory ${this.folder}`
  }

  async *list(
    folder: string,
    { recursive = false, signal }: { recursive?: boolean; signal?: AbortSignal } = {},
  ): AsyncGenerator<ListedObject> {
    throwIfAborted(signal, `list ${folder}`)
    const entries = await this.#entries(folderPrefix(folder))
    const below = (entry: ListedObject) => (recursive ? this.#allBelow(entry) : this.#itself(entry))
    for await (const objects of mapAhead(entries, below)) {
      throwIfAborted(signal, `list ${folder}`)
      yield* objects
    }
  }

  /** The object, or all objects in the folder, in order. */
  async #allBelow(entry: ListedObject): Promise<ListedObject[]> {
    if (!entry.name.endsWith('/')) return this.#itself(entry)
    const entries = await this.#entries(entry.name)
    return (await Promise.all(entries.map((each) => this.#allBelow(each)))).flat()
  }

  /** The object with its attributes, or the folder; nothing where it vanished meanwhile, or the folder is empty. */
  async #itself({ name }: ListedObject): Promise<ListedObject[]> {
    if (name.endsWith('/')) return (await this.#entries(name)).length > 0 ? [{ name }] : []
    const stats = this.#statListed(name)
    return stats?.isFile() ? [{ name, sizeBytes: stats.size, lastModifiedMs: Math.floor(stats.mtimeMs) }] : []
  }

  /** As #stat(), at once: the system has the attributes of what it has just listed at hand, and a way to another thread costs more. */
  #statListed(name: string): Stats | undefined {
    try {
      return statSync(path.join(this.folder, name), { throwIfNoEntry: false })
    } catch (error) {
      const known = fileError(error, `look at ${name}`)
      if (known.code === 'not_found') return undefined
      throw known
    }
  }

  /** Names alone, in order. */
  async #entries(prefix: string): Promise<ListedObject[]> {
    let entries: Dirent[]
    try {
      entries = await fs.readdir(path.join(this.folder, prefix), { withFileTypes: true })
    } catch (error) {
      const known = fileError(error, `list ${prefix || this.folder}`)
      if (known.code === 'not_found') return []
      throw known
    }
    const listed: ListedObject[] = []
    for (const entry of entries) {
      const name = prefix + entry.name
      if (name === temporaryFolder) continue
      const isFolder = entry.isSymbolicLink() ? (await this.#stat(name))?.isDirectory() : entry.isDirectory()
      listed.push({ name: isFolder ? `${name}/` : name })
    }
    return listed.sort(compareListed)
  }

  /** Nothing where the object vanished meanwhile. */
  async #stat(name: string): Promise<Stats | undefined> {
    try {
      return await fs.stat(path.join(this.folder, name))
    } catch (error) {
      const known = fileError(error, `look at ${name}`)
      if (known.code === 'not_found') return undefined
      throw known
    }
  }

  async get(name: string, signal?: AbortSignal): Promise<Readable> {
    const handle = await this.#open(name, signal)
    return handle.createReadStream({ highWaterMark: 256 * 1024, ...(signal && { signal }) })
  }

  async getRange(name: string, offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    checkRange(name, offset, length)
    const file = this.#pathOf(name)
    try {
      throwIfAborted(signal, `read ${name}`)
      const bytes = await this.#files.read(file, offset, length, () => throwIfAborted(signal, `read ${name}`))
      if (bytes !== undefined) return bytes
    } catch (error) {
      throw fileError(error, `read ${name}`, signal)
    }
    throw new MnemoError('not_found', `cannot read ${name}: no such object`)
  }

  async #open(name: string, signal: AbortSignal | undefined): Promise<fs.FileHandle> {
    const file = this.#pathOf(name)
    try {
      throwIfAborted(signal, `read ${name}`)
      const handle = await fs.open(file, 'r')
      const stats = await handle.stat()
      if (stats.isFile()) return handle
      await handle.close()
    } catch (error) {
      throw fileError(error, `read ${name}`, signal)
    }
    throw new MnemoError('not_found', `cannot read ${name}: no such object`)
  }

  async exists(name: string, signal?: AbortSignal): Promise<boolean> {
    this.#pathOf(name)
    throwIfAborted(signal, `look for ${name}`)
    return (await this.#stat(name))?.isFile() ?? false
  }

  async attributes(name: string, signal?: AbortSignal): Promise<ObjectAttributes> {
    this.#pathOf(name)
    throwIfAborted(signal, `look at ${name}`)
    const stats = await this.#stat(name)
    if (!stats?.isFile()) throw new MnemoError('not_found', `cannot look at ${name}: no such object`)
    return { sizeBytes: stats.size, lastModifiedMs: Math.floor(stats.mtimeMs) }
  }

  async upload(name: string, body: ObjectBody, signal?: AbortSignal): Promise<void> {
    await this.#publish(name, body, { publish: fs.rename, signal })
  }

  async putIfAbsent(name: string, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    // A hard link refuses a name that is taken, and the content is whole before the name exists.
    await this.#publish(name, body, { publish: fs.link, signal })
  }

  async #publish(
    name: string,
    body: ObjectBody,
    { publish, signal }: { publish(from: string, to: string): Promise<void>; signal: AbortSignal | undefined },
  ): Promise<void> {
    const target = this.#pathOf(name)
    const temporary = path.join(this.folder, temporaryFolder, randomUUID())
    try {
      throwIfAborted(signal, `upload ${name}`)
      await this.#prepare()
      await writeDurably(temporary, body, signal)
      throwIfAborted(signal, `upload ${name}`)
      await this.#moveIn(temporary, target, publish)
    } catch (error) {
      throw fileError(error, `upload ${name}`, signal)
    } finally {
      await fs.rm(temporary, { force: true })
    }
  }

  // A folder that has just become empty may be removed by a delete between mkdir and the rename: try again.
  async #moveIn(from: string, to: string, publish: (from: string, to: string) => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      let isMade = false
      try {
        const firstMade = await makeFolder(path.dirname(to))
        isMade = true
        await publish(from, to)
        await syncFolders(path.dirname(to), firstMade === undefined ? undefined : path.dirname(firstMade))
        return
      } catch (error) {
        // Of a folder that went while it was made, the system says that it is there.
        if (systemCode(error) !== (isMade ? 'ENOENT' : 'EEXIST') || attempt === 5) throw error
      }
    }
  }

  async #prepare(): Promise<void> {
    const folder = path.join(this.folder, temporaryFolder)
    await makeFolder(folder)
    if (this.#swept) return
    this.#swept = true
    for (const name of await fs.readdir(folder)) {
      const file = path.join(folder, name)
      const stats = await this.#stat(path.join(temporaryFolder, name))
      if (stats && Date.now() - stats.mtimeMs > abandonedAfterMs) await fs.rm(file, { force: true })
    }
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    const isFolder = name.endsWith('/')
    const file = this.#pathOf(isFolder ? name.slice(0, -1) : name)
    try {
      throwIfAborted(signal, `delete ${name}`)
      if (isFolder) await removeIfEmpty(file)
      else await fs.unlink(file)
    } catch (error) {
      // Unlinking a folder is EISDIR on Linux, EPERM elsewhere: there is no such object.
      const known = fileError(error, `delete ${name}`, signal)
      if (known.code === 'not_found') return
      throw known
    }
    // Folders exist only while they hold something, as in S3.
    for (let folder = path.dirname(file); folder !== this.folder; folder = path.dirname(folder))
      if (!(await removeIfEmpty(folder))) break
  }

  async close(): Promise<void> {
    this.#files.close()
  }

  #pathOf(name: string): string {
    checkObjectName(name)
    if (name.split('/', 1)[0] === temporaryFolder)
      throw new MnemoError('bad_data', `cannot name an object: got ${name}, which is kept for uploads in progress`)
    return path.join(this.folder, name)
  }
}

/** How many entries of a folder are looked at side by side. */
const lookAhead = 32

/** The results in order, a few of them under way at once. */
async function* mapAhead<T, R>(items: readonly T[], work: (item: T) => Promise<R>): AsyncGenerator<R> {
  const running: Promise<R>[] = []
  for (let next = 0; next < items.length || running.length > 0; ) {
    while (next < items.length && running.length < lookAhead) {
      const result = work(items[next++]!)
      // Told when its turn comes; a reader that has left by then does not care.
      result.catch(() => {})
      running.push(result)
    }
    yield await running.shift()!
  }
}

async function writeDurably(file: string, body: ObjectBody, signal: AbortSignal | undefined): Promise<void> {
  if (body instanceof LocalFile) {
    if (body.mayLink && (await linked(body.path, file))) return
    return body.read((bytes) => writeDurably(file, bytes, signal))
  }
  const options = { flag: 'wx', flush: true, ...(signal && { signal }) }
  if (body instanceof Uint8Array) await fs.writeFile(file, body, options)
  else await pipeline(abortable(body, signal), await fileSink(file))
}

/** Whether the file has a second name now, and is on disk. False where it lies on another disk, its disk knows no links, or reading tells. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await fs.link(from, to)
  } catch (error) {
    if (unlinkable.has(systemCode(error) ?? '')) return false
    throw error
  }
  await sync(to)
  return true
}

const unlinkable: ReadonlySet<string> = new Set([
  'ENOENT',
  'EXDEV',
  'EPERM',
  'EACCES',
  'EMLINK',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
])

/** A new file as a stream, on disk at its end. */
async function fileSink(file: string): Promise<Writable> {
  const handle = await fs.open(file, 'wx')
  const write = async (chunk: Uint8Array) => {
    for (let done = 0; done < chunk.length; )
      done += (await handle.write(chunk, done, chunk.length - done, null)).bytesWritten
    freeChunk(chunk)
  }
  return new Writable({
    write: (chunk: Uint8Array, _encoding, done) => void write(chunk).then(() => done(), done),
    final: (done) => void handle.sync().then(() => done(), done),
    destroy: (error, done) => void handle.close().then(() => done(error), done),
  })
}

/** Makes the names durable: fsync of the folder and, where folders were made, of each one up to `top`. */
async function syncFolders(folder: string, top: string | undefined): Promise<void> {
  for (let current = folder; ; current = path.dirname(current)) {
    await sync(current)
    if (top === undefined || current === top || current === path.dirname(current)) return
  }
}

/** Puts what was written to a file or folder on disk. */
async function sync(name: string): Promise<void> {
  const handle = await fs.open(name, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Whether the folder is gone now. */
async function removeIfEmpty(folder: string): Promise<boolean> {
  try {
    await fs.rmdir(folder)
    return true
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT') return true
    if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOTDIR') return false
    throw fileError(error, `remove folder ${folder}`)
  }
}
