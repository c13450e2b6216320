// The index-header's frame: what stands where in it.
// Specification: Thanos pkg/block/indexheader/binary_reader.go, version 1.
// Owns the layout; index-header-build.ts writes the file, index-header.ts looks things up in it.
import { Cursor, corruptError, hex32 } from '../bytes/cursor.ts'
import { EncodeBuffer } from '../bytes/encode-buffer.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import { decodeIndexToc, type IndexToc, indexTocBytes, indexVersion } from '../tsdb/index-format.ts'

// ┌────────────────────────────────────────────────────────────────────────────┐
// │ magic BAAAD792 u32 | version 1 u8 | index version u8                       │
// │ offset of the postings offset table in the index u64                       │
// ├────────────────────────────────────────────────────────────────────────────┤
// │ the index's bytes from its symbols to its series                           │
// │ the index's bytes from its postings offset table to its end                │
// ├────────────────────────────────────────────────────────────────────────────┤
// │ offset here of symbols u64 | of the postings offset table u64 | crc32c     │
// └────────────────────────────────────────────────────────────────────────────┘

const magic = 0xbaaad792
const version = 1
const headBytes = 14
const tailBytes = 20

/** Where the parts stand in an index-header, and what it says of the index. */
export interface IndexHeaderLayout {
  /** Offsets here: symbols end where the postings table begins, that one ends at `indexToc`. */
  readonly symbols: number
  readonly postingsTable: number
  readonly indexToc: number
  /** The index's table of contents: offsets there. */
  readonly toc: IndexToc
  /** Size of the index. */
  readonly indexBytes: number
}

/** The first bytes of the index-header of an index. */
export function encodeIndexHeaderHead(toc: IndexToc): Uint8Array {
  const out = new EncodeBuffer(headBytes)
  out.u32(magic)
  out.u8(version)
  out.u8(indexVersion)
  out.u64(toc.postingsTable)
  return out.copyBytes()
}

/** The last bytes of the index-header of an index. */
export function encodeIndexHeaderTail(toc: IndexToc): Uint8Array {
  const out = new EncodeBuffer(tailBytes)
  out.u64(headBytes)
  out.u64(headBytes + toc.series - toc.symbols)
  out.crc32c()
  return out.copyBytes()
}

/** Size of the index-header of an index of so many bytes. */
export function indexHeaderBytes(toc: IndexToc, indexBytes: number): number {
  return headBytes + (toc.series - toc.symbols) + (indexBytes - toc.postingsTable) + tailBytes
}

/** Reads head and tail and checks that they agree with each other and with the file's size. Throws `corrupt`. */
export async function readIndexHeaderLayout(source: RandomAccess, signal?: AbortSignal): Promise<IndexHeaderLayout> {
  const { name: file, sizeBytes } = source
  const place = { file, section: 'index-header', offset: 0 }
  const indexToc = sizeBytes - tailBytes - indexTocBytes
  if (indexToc < headBytes) throw corruptError(place, 0, `got ${sizeBytes} bytes in all, want more`)
  const [headPart, tailPart] = await Promise.all([
    source.read(0, headBytes, signal),
    source.read(indexToc, indexTocBytes + tailBytes, signal),
  ])
  const postingsTableInIndex = readHead(new Cursor(headPart, place))
  const tail = new Cursor(tailPart, { ...place, offset: indexToc }, indexTocBytes)
  tail.checkCrc32c(tailBytes - 4)
  const symbols = tail.u64()
  const postingsTable = tail.u64()
  const indexBytes = postingsTableInIndex + indexToc + indexTocBytes - postingsTable
  const toc = decodeIndexToc(tailPart.subarray(0, indexTocBytes), { file, offset: indexToc, indexBytes })
  const agrees =
    symbols === headBytes &&
    postingsTable === headBytes + toc.series - toc.symbols &&
    toc.postingsTable === postingsTableInIndex
  if (!agrees)
    throw corruptError(place, indexToc, `got a layout of ${symbols}, ${postingsTable} that does not fit the index's`)
  return { symbols, postingsTable, indexToc, toc, indexBytes }
}

function readHead(cursor: Cursor): number {
  const gotMagic = cursor.u32()
  if (gotMagic !== magic) throw corruptError(cursor.place, 0, `got magic ${hex32(gotMagic)}, want ${hex32(magic)}`)
  const gotVersion = cursor.u8()
  if (gotVersion !== version) throw corruptError(cursor.place, 4, `got version ${gotVersion}, want ${version}`)
  const gotIndexVersion = cursor.u8()
  if (gotIndexVersion !== indexVersion) {
    throw corruptError(cursor.place, 5, `got index version ${gotIndexVersion}, want ${indexVersion}`)
  }
  return cursor.u64()
}
