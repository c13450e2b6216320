// A block on local disk, opened for reading: its index, its chunks, its tombstones.
// Specification: Prometheus tsdb/docs/format/README.md.
// Owns the open files until close(). meta.json is lib/blocks's.
import { join } from 'node:path'
import { type FileRandomAccess, fileRandomAccess } from '../bytes/random-access.ts'
import { ChunkReader, openSegments } from './chunk-reader.ts'
import { IndexReader } from './index-reader.ts'
import { readTombstones, type Tombstones, tombstonesFile } from './tombstones.ts'

export const indexFile = 'index'
export const chunksFolder = 'chunks'

export class BlockReader {
  readonly folder: string
  readonly index: IndexReader
  readonly chunks: ChunkReader
  readonly tombstones: Tombstones
  readonly #files: readonly FileRandomAccess[]

  private constructor(fields: {
    folder: string
    index: IndexReader
    chunks: ChunkReader
    tombstones: Tombstones
    files: readonly FileRandomAccess[]
  }) {
    this.folder = fields.folder
    this.index = fields.index
    this.chunks = fields.chunks
    this.tombstones = fields.tombstones
    this.#files = fields.files
  }

  /** Opens the block in `folder`. Throws `not_found`, `corrupt` or `unsupported`; nothing stays open then. */
  static async open(folder: string, signal?: AbortSignal): Promise<BlockReader> {
    const files: FileRandomAccess[] = []
    try {
      const index = await fileRandomAccess(join(folder, indexFile))
      files.push(index)
      const segments = await openSegments(join(folder, chunksFolder))
      files.push(...segments)
      return new BlockReader({
        folder,
        index: await IndexReader.open(index, signal),
        chunks: await ChunkReader.over(segments, signal),
        tombstones: await readTombstones(join(folder, tombstonesFile)),
        files,
      })
    } catch (error) {
      await closeAll(files)
      throw error
    }
  }

  async close(): Promise<void> {
    await closeAll(this.#files)
  }
}

async function closeAll(files: readonly FileRandomAccess[]): Promise<void> {
  await Promise.all(files.map((file) => file.close()))
}
