// Makes the index-header file of a block from range reads of its index, wherever that is.
// Specification: Thanos pkg/block/indexheader/binary_reader.go (WriteBinary), byte for byte.
// Owns the temporary file until it is renamed.
import { rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FileWriter } from '../bytes/file-writer.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import { readAhead } from '../bytes/read-ahead.ts'
import { makeFolder } from '../kit/make-folder.ts'
import { type IndexToc, readIndexToc } from '../tsdb/index-format.ts'
import { encodeIndexHeaderHead, encodeIndexHeaderTail, indexHeaderBytes } from './index-header-format.ts'

/** Read at once from the end: a small index costs one request then, not four. */
const tailBytes = 64 * 1024
const pieceBytes = 4 * 1024 * 1024

/**
 * Builds the index-header of the index `source` at `path`, whose folder is made; the file is there whole or not at all.
 * The tables are verified when the file is opened. Throws `corrupt` or `unsupported` where it is no index of version 2.
 */
export async function buildIndexHeader(source: RandomAccess, path: string, signal?: AbortSignal): Promise<void> {
  const index = await withTail(source, signal)
  const toc = await readIndexToc(index, signal)
  await makeFolder(dirname(path))
  const temporary = `${path}.tmp`
  const file = await FileWriter.create(temporary, { maxBytes: indexHeaderBytes(toc, index.sizeBytes) })
  try {
    await copyParts(index, toc, { file, signal })
    await file.finish()
    await rename(temporary, path)
  } catch (error) {
    await file.abort()
    await rm(temporary, { force: true })
    throw error
  }
}

async function copyParts(
  index: RandomAccess,
  toc: IndexToc,
  to: { readonly file: FileWriter; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const { file, signal } = to
  await file.append(encodeIndexHeaderHead(toc))
  const parts = [
    { start: toc.symbols, end: toc.series, pieceBytes },
    { start: toc.postingsTable, end: index.sizeBytes, pieceBytes },
  ]
  for (const part of parts) {
    for await (const piece of readAhead(index, part, signal)) await file.append(piece)
  }
  await file.append(encodeIndexHeaderTail(toc))
}

/** The same bytes, those at the end held in memory. */
async function withTail(source: RandomAccess, signal?: AbortSignal): Promise<RandomAccess> {
  const start = Math.max(0, source.sizeBytes - tailBytes)
  const tail = await source.read(start, source.sizeBytes - start, signal)
  return {
    name: source.name,
    sizeBytes: source.sizeBytes,
    async read(offset, length, readSignal) {
      if (offset < start) return source.read(offset, length, readSignal)
      return tail.slice(offset - start, offset - start + length)
    },
  }
}
