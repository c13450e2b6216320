// Entries of an index's series section, read and written, for one block or for the block that blocks are merged into.
// Specification: lib/tsdb/series-entry.ts. What is not as it should be is left to that reader, which says why.
import { crc32c } from './crc32c'

/** A series as numbers, in arrays that JavaScript provides: those of times and references have `chunkRoom` cells each. */
@unmanaged
export class Series {
  /** u32: names and values in turn, as symbols; `labelLength` of `labelRoom`. */
  symbols: usize
  labelRoom: u32
  labelLength: u32
  /** f64: times are inclusive, in ms. */
  minTimes: usize
  maxTimes: usize
  chunkRefs: usize
  chunkRoom: u32
  chunkCount: u32
}

export const ENTRY_WHOLE: i32 = 0
/** `entryBytes` of them are wanted. */
export const ENTRY_CUT: i32 = 1
/** More labels or chunks than there is room for: `wantedLabels` symbols, `wantedChunks`. */
export const ENTRY_LARGE: i32 = 2
export const ENTRY_STRANGE: i32 = 3

/** Of the entry that was decoded last, length field and checksum with it. */
export let entryBytes: u32 = 0
export let wantedLabels: u32 = 0
export let wantedChunks: u32 = 0

const MAX_SAFE: i64 = 9007199254740991
const MAX_ENTRY_BYTES: u64 = 64 * 1024 * 1024
/** A length field of more bytes is no length. */
const LENGTH_BYTES: usize = 10

let at: usize = 0
let strange: bool = false

@inline
function uvarint(end: usize): u64 {
  if (at < end) {
    const first = <u64>load<u8>(at)
    if (first < 0x80) {
      at++
      return first
    }
  }
  return longUvarint(end)
}

function longUvarint(end: usize): u64 {
  let value: u64 = 0
  for (let shift: u64 = 0; shift < 70 && at < end; shift += 7) {
    const byte = <u64>load<u8>(at++)
    if (shift == 63 && byte > 1) break
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) return value
  }
  strange = true
  return 0
}

@inline
function varint(end: usize): i64 {
  const value = uvarint(end)
  return <i64>(value >> 1) ^ -<i64>(value & 1)
}

/** Decodes the entry at `entry`, of which the bytes up to `end` are at hand. */
export function decodeEntry(entry: usize, end: usize, into: Series): i32 {
  at = entry
  strange = false
  const length = uvarint(end)
  if (strange) {
    if (end - entry >= LENGTH_BYTES) return ENTRY_STRANGE
    entryBytes = <u32>LENGTH_BYTES
    return ENTRY_CUT
  }
  if (length > MAX_ENTRY_BYTES) return ENTRY_STRANGE
  entryBytes = <u32>(at - entry) + <u32>length + 4
  if (<usize>entryBytes > end - entry) return ENTRY_CUT
  const contentEnd = at + <usize>length
  if (crc32c(at, <u32>length) != bswap(load<u32>(contentEnd))) return ENTRY_STRANGE
  const large = decodeLabels(contentEnd, into) || decodeChunks(contentEnd, into)
  return strange ? ENTRY_STRANGE : large ? ENTRY_LARGE : at == contentEnd ? ENTRY_WHOLE : ENTRY_STRANGE
}

/** Whether there are more than there is room for. */
function decodeLabels(end: usize, into: Series): bool {
  const count = uvarint(end)
  strange = strange || count * 2 > <u64>(end - at)
  if (strange) return false
  const length = <u32>count * 2
  wantedLabels = length
  into.labelLength = length
  if (length > into.labelRoom) return true
  const to = into.symbols
  for (let i: u32 = 0; i < length; i++) {
    const symbol = uvarint(end)
    strange = strange || symbol > 0xffffffff
    store<u32>(to + (<usize>i << 2), <u32>symbol)
  }
  return false
}

function decodeChunks(end: usize, into: Series): bool {
  const count = uvarint(end)
  strange = strange || count * 3 > <u64>(end - at)
  if (strange) return false
  wantedChunks = <u32>count
  into.chunkCount = <u32>count
  if (<u32>count > into.chunkRoom) return true
  let time: i64 = 0
  let ref: i64 = 0
  for (let i: u32 = 0; i < <u32>count && !strange; i++) {
    // Old blocks have chunks out of order: their difference is negative, in two's complement.
    const minTime = i == 0 ? varint(end) : time + <i64>uvarint(end)
    const length = uvarint(end)
    const step = i == 0 ? <i64>uvarint(end) : varint(end)
    strange = strange || !isSafe(minTime) || length > <u64>MAX_SAFE || !isSafe(step)
    time = minTime + <i64>length
    ref += step
    strange = strange || !isSafe(time) || ref < 0 || ref > MAX_SAFE
    const cell = <usize>i << 3
    store<f64>(into.minTimes + cell, <f64>minTime)
    store<f64>(into.maxTimes + cell, <f64>time)
    store<f64>(into.chunkRefs + cell, <f64>ref)
  }
  return false
}

@inline
function isSafe(value: i64): bool {
  return value >= -MAX_SAFE && value <= MAX_SAFE
}

/** No entry of so many symbols and chunks takes more bytes. */
export function mostEntryBytes(labelLength: u32, chunkCount: u32): u32 {
  return 10 + 10 + 10 + 4 + labelLength * 5 + chunkCount * 3 * 10
}

// The entry that is being written: its content, behind room for its length.
let content: usize = 0
let time: i64 = 0
let ref: i64 = 0

@inline
function putUvarint(value: u64): void {
  while (value >= 0x80) {
    store<u8>(at++, <u8>(value | 0x80))
    value >>= 7
  }
  store<u8>(at++, <u8>value)
}

@inline
function putVarint(value: i64): void {
  putUvarint((<u64>value << 1) ^ <u64>(value >> 63))
}

/** Begins an entry at `to`: its labels, and how many chunks follow. */
export function beginEntry(to: usize, symbols: usize, labelLength: u32, chunkCount: u32): void {
  at = to + LENGTH_BYTES
  content = at
  time = 0
  ref = 0
  putUvarint(<u64>(labelLength >> 1))
  for (let i: u32 = 0; i < labelLength; i++) putUvarint(<u64>load<u32>(symbols + (<usize>i << 2)))
  putUvarint(<u64>chunkCount)
}

export function putChunk(isFirst: bool, minTime: f64, maxTime: f64, chunkRef: f64): void {
  if (isFirst) putVarint(<i64>minTime)
  else putUvarint(<u64>(<i64>minTime - time))
  putUvarint(<u64>(<i64>maxTime - <i64>minTime))
  if (isFirst) putUvarint(<u64>chunkRef)
  else putVarint(<i64>chunkRef - ref)
  time = <i64>maxTime
  ref = <i64>chunkRef
}

/** Ends the entry that was begun at `to`; returns where it ends. */
export function endEntry(to: usize): usize {
  const length = at - content
  store<u32>(at, bswap(crc32c(content, <u32>length)))
  at = to
  putUvarint(<u64>length)
  memory.copy(at, content, length + 4)
  return at + length + 4
}
