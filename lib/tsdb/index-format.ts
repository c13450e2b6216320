// The index file's frame: header, table of contents, and the caps on what a length in it may ask for.
// Specification: Prometheus tsdb/docs/format/index.md, version 2.
// Owns IndexToc; the sections have files of their own.
import { Cursor, corruptError, hex32 } from '../bytes/cursor.ts'
import { EncodeBuffer } from '../bytes/encode-buffer.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import { MnemoError } from '../kit/errors.ts'

// ┌──────────────────────────┬───────────────┐
// │ magic BAAAD700 u32       │ version 2 u8  │
// ├──────────────────────────┴───────────────┤
// │ symbols                                  │
// │ series, each at a multiple of 16         │
// │ label indices (no longer written)        │
// │ postings                                 │
// │ label offset table (no longer written)   │
// │ postings offset table                    │
// ├──────────────────────────────────────────┤
// │ table of contents: 6 × u64, crc32c       │
// └──────────────────────────────────────────┘

export const indexMagic = 0xbaaad700
export const indexVersion = 2
export const indexHeaderBytes = 5
export const indexTocBytes = 6 * 8 + 4

/** A series reference is its entry's offset divided by this. */
export const seriesAlignment = 16

/** Prometheus writes no larger index: references are 32 bits, in units of 16 bytes. */
export const maxIndexBytes = 16 * 0xffffffff
/** Tables carry their length in 32 bits. */
export const maxTableBytes = 0xffffffff
/** One series' labels and chunk references; Prometheus's largest are some 10 KiB. */
export const maxSeriesEntryBytes = 64 * 1024 * 1024

/** File offsets of the sections. */
export interface IndexToc {
  readonly symbols: number
  readonly series: number
  /** Where the series end, padding aside. */
  readonly labelIndices: number
  readonly labelOffsetTable: number
  readonly postings: number
  readonly postingsTable: number
}

/** Checks magic and version. `bytes` are the file's first five. Version 1 gets `unsupported`. */
export function checkIndexHeader(bytes: Uint8Array, file: string): void {
  const cursor = new Cursor(bytes, { file, section: 'index header', offset: 0 })
  const magic = cursor.u32()
  if (magic !== indexMagic) {
    throw corruptError(cursor.place, 0, `got magic ${hex32(magic)}, want ${hex32(indexMagic)}`)
  }
  const version = cursor.u8()
  if (version === indexVersion) return
  if (version !== 1 && version !== 3)
    throw corruptError(cursor.place, 4, `got version ${version}, want ${indexVersion}`)
  throw new MnemoError('unsupported', `cannot read ${file}: got index version ${version}, want ${indexVersion}`)
}

export function encodeIndexToc(toc: IndexToc): Uint8Array {
  const out = new EncodeBuffer(indexTocBytes)
  out.u64(toc.symbols)
  out.u64(toc.series)
  out.u64(toc.labelIndices)
  out.u64(toc.labelOffsetTable)
  out.u64(toc.postings)
  out.u64(toc.postingsTable)
  out.crc32c()
  return out.copyBytes()
}

/**
 * The table of contents from the 52 bytes that stand at `offset`, checked: sections in order and inside the file.
 * In an index-header the offsets are still those of the index, whose size `indexBytes` then is.
 */
export function decodeIndexToc(
  bytes: Uint8Array,
  place: { file: string; offset: number; indexBytes: number },
): IndexToc {
  const cursor = new Cursor(bytes, { file: place.file, section: 'table of contents', offset: place.offset })
  cursor.checkCrc32c(indexTocBytes - 4)
  const toc: IndexToc = {
    symbols: cursor.u64(),
    series: cursor.u64(),
    labelIndices: cursor.u64(),
    labelOffsetTable: cursor.u64(),
    postings: cursor.u64(),
    postingsTable: cursor.u64(),
  }
  const order = [indexHeaderBytes, toc.symbols, toc.series, toc.labelIndices, toc.postings, toc.labelOffsetTable]
  order.push(toc.postingsTable, place.indexBytes - indexTocBytes)
  if (order.some((offset, i) => i > 0 && offset < order[i - 1]!)) {
    throw corruptError(cursor.place, 0, `got section offsets ${order.slice(1, -1).join(', ')}, want them ascending`)
  }
  return toc
}

/** Reads and checks header and table of contents of an index file. */
export async function readIndexToc(source: RandomAccess, signal?: AbortSignal): Promise<IndexToc> {
  const { name: file, sizeBytes } = source
  const place = { file, section: 'index', offset: 0 }
  if (sizeBytes < indexHeaderBytes + indexTocBytes || sizeBytes > maxIndexBytes) {
    throw corruptError(place, 0, `got ${sizeBytes} bytes in all, want ${indexHeaderBytes + indexTocBytes} to 64 GiB`)
  }
  const offset = sizeBytes - indexTocBytes
  const [header, toc] = await Promise.all([
    source.read(0, indexHeaderBytes, signal),
    source.read(offset, indexTocBytes, signal),
  ])
  checkIndexHeader(header, file)
  return decodeIndexToc(toc, { file, offset, indexBytes: sizeBytes })
}
