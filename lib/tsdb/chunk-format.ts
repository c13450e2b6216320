// Chunk segments: chunks back to back in files of at most 512 MiB, found by reference.
// Specification: Prometheus tsdb/docs/format/chunks.md, version 1.
// Owns a record's bytes and the reference; pure functions, so that they serve a file and a fetched range alike.
import { type BytePlace, Cursor, corruptError, hex32 } from '../bytes/cursor.ts'
import type { EncodeBuffer } from '../bytes/encode-buffer.ts'
import { highWord } from '../bytes/varint.ts'
import { MnemoError } from '../kit/errors.ts'

// ┌──────────────────────────────────────────────┐
// │ magic 85BD40DD u32 | version 1 u8 | 0 × 3    │
// ├──────────────────────────────────────────────┤
// │ length uvarint (of data)                     │
// │ encoding u8 | data | crc32c(encoding ‖ data) │
// │ …                                            │
// └──────────────────────────────────────────────┘

export const chunkMagic = 0x85bd40dd
export const chunkVersion = 1
export const segmentHeaderBytes = 8
/** Prometheus's size of a segment; a single larger chunk still gets one of its own. */
export const defaultSegmentBytes = 512 * 1024 * 1024
/** A chunk's data; Prometheus's are about 1 KiB, Thanos's aggregates some 10 KiB. */
export const maxChunkDataBytes = 64 * 1024 * 1024
/** The length field: at most 32 bits. */
export const maxChunkLengthBytes = 5

/** A chunk's bytes, as in the file without length and checksum. `encoding`: lib/chunkenc. */
export interface EncodedChunk {
  readonly encoding: number
  readonly data: Uint8Array
  /** The record that `data` was read from, length and verified checksum with it: to be copied as it is. */
  readonly record?: Uint8Array
}

/** The segment's number, from 0, and the record's offset in it. */
export interface ChunkPosition {
  readonly segment: number
  readonly offset: number
}

/** A chunk reference as a number: segment × 2^32 + offset. Exact below 2^21 segments, which is a petabyte. */
export function chunkRef({ segment, offset }: ChunkPosition): number {
  const ref = segment * highWord + offset
  if (Number.isSafeInteger(ref) && offset < highWord) return ref
  throw new MnemoError('internal', `cannot make a chunk reference: got segment ${segment}, offset ${offset}`)
}

export function chunkPosition(ref: number): ChunkPosition {
  return { segment: Math.floor(ref / highWord), offset: ref % highWord }
}

/** File name of a segment in the chunks folder: 000001 is the first. */
export function segmentName(segment: number): string {
  return String(segment + 1).padStart(6, '0')
}

/** Appends a segment's header. */
export function encodeSegmentHeader(out: EncodeBuffer): void {
  out.u32(chunkMagic)
  out.u8(chunkVersion)
  out.raw(new Uint8Array(3))
}

/** Checks magic and version; `bytes` are the segment's first eight. */
export function checkSegmentHeader(bytes: Uint8Array, file: string): void {
  const cursor = new Cursor(bytes, { file, section: 'segment header', offset: 0 })
  const magic = cursor.u32()
  if (magic !== chunkMagic) throw corruptError(cursor.place, 0, `got magic ${hex32(magic)}, want ${hex32(chunkMagic)}`)
  const version = cursor.u8()
  if (version !== chunkVersion) throw corruptError(cursor.place, 4, `got version ${version}, want ${chunkVersion}`)
}

/** Bytes of the whole record at the cursor, which stays there; needs the record's first five bytes, or all of it. */
export function chunkRecordLength(cursor: Cursor): number {
  const start = cursor.position
  const dataBytes = cursor.uvarint32()
  if (dataBytes > maxChunkDataBytes) cursor.fail(`got a chunk of ${dataBytes} bytes, want at most ${maxChunkDataBytes}`)
  const length = cursor.position - start + 1 + dataBytes + 4
  cursor.position = start
  return length
}

/** Reads the record at the cursor, its checksum verified, and moves behind it. The data is a view of the cursor's bytes. */
export function decodeChunkRecord(cursor: Cursor): EncodedChunk {
  const { encoding, data } = decodeCopyableRecord(cursor)
  return { encoding, data }
}

/** The same with its record, to be copied into another segment. */
export function decodeCopyableRecord(cursor: Cursor): EncodedChunk {
  const start = cursor.position
  const dataBytes = cursor.uvarint32()
  if (dataBytes > maxChunkDataBytes) cursor.fail(`got a chunk of ${dataBytes} bytes, want at most ${maxChunkDataBytes}`)
  cursor.checkCrc32c(1 + dataBytes)
  const encoding = cursor.u8()
  const data = cursor.borrowBytes(dataBytes)
  cursor.skip(4)
  return { encoding, data, record: cursor.bytes.subarray(start, cursor.position) }
}

/** The chunk's record as it was read; undefined where the chunk was not read, or its data is not the record's any more. */
export function recordOf({ encoding, data, record }: EncodedChunk): Uint8Array | undefined {
  if (record === undefined || record.buffer !== data.buffer) return undefined
  const dataStart = data.byteOffset - record.byteOffset
  const isSame = dataStart + data.length + 4 === record.length && record[dataStart - 1] === encoding
  return isSame ? record : undefined
}

/** Appends a record to `out`. */
export function encodeChunkRecord(chunk: EncodedChunk, out: EncodeBuffer): void {
  out.uvarint(chunk.data.length)
  const start = out.length
  out.u8(chunk.encoding)
  out.raw(chunk.data)
  out.crc32c(start)
}

/** The place of bytes that stand at `offset` in a segment, for errors. */
export function segmentPlace(file: string, offset: number): BytePlace {
  return { file, section: 'chunks', offset }
}
