// A file of this machine as what an object is to hold: a bucket reads it, or, on the same disk, may keep the file itself.
// Owns nothing but the stream that it opens.
import type { Readable } from 'node:stream'
import { openFileStream } from '../bytes/file-stream.ts'
import { fileError } from '../bytes/random-access.ts'

export interface LocalFileOptions {
  readonly sizeBytes: number
  /** Nobody writes to the file any more: a bucket may link it instead of copying. */
  readonly mayLink?: boolean
}

export class LocalFile {
  readonly path: string
  readonly sizeBytes: number
  readonly mayLink: boolean

  constructor(path: string, { sizeBytes, mayLink = false }: LocalFileOptions) {
    this.path = path
    this.sizeBytes = sizeBytes
    this.mayLink = mayLink
  }

  /** Has `use` read the bytes. Opened before: what is removed meanwhile is read all the same. Throws `not_found` and the like. */
  async read<T>(use: (bytes: Readable) => Promise<T>): Promise<T> {
    const stream = await openFileStream(this.path).catch((error: unknown) => {
      throw fileError(`cannot open ${this.path}`, error)
    })
    try {
      return await use(stream)
    } finally {
      stream.destroy()
    }
  }
}
