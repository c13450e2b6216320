// Writes chunks as they stand in a segment file as the AggrChunk fields of StoreAPI's Series messages, checksum verified, hash added.
// Specification: Prometheus tsdb/docs/format/chunks.md; proto/store.proto (wire-read.ts has the fields).
// Only XOR chunks are written here; a series with another one, or with a bad record, is left to the writer in TypeScript.
import { crc32c } from './crc32c'
import { xxhash64 } from './xxhash'

/** A chunk's record: length uvarint │ encoding u8 │ data │ crc32c u32. */
@unmanaged
class ChunkRecord {
  ptr: u32
  bytes: u32
  minTime: f64
  maxTime: f64
}

/** The chunks of one series, and what became of them. */
@unmanaged
class SeriesChunks {
  count: u32
  /** Where its fields end in what was written; they begin where the last series' end. */
  end: u32
  dataBytes: u32
  samples: u32
  /** 1: XOR chunks one after the other in time; else nothing was written. */
  plain: u32
  unused: u32
}

const XOR: u32 = 1
const maxVarintLength: u32 = 5
/** What stands for no bound at all (lib/storeapi/types.ts). */
const MAX_SAFE: f64 = 9007199254740991

let out: usize = 0

@inline
function sizeOf(value: u64): u32 {
  return (70 - <u32>clz<u64>(value | 1)) / 7
}

@inline
function put(value: u64): void {
  for (; value >= 0x80; value >>= 7) store<u8>(out++, <u8>value | 0x80)
  store<u8>(out++, <u8>value)
}

// The record that was read last.
let data: usize = 0
let dataLength: u32 = 0

/** Whether the record is a whole one of an XOR chunk. */
function readRecord(record: ChunkRecord): bool {
  let at = <usize>record.ptr
  const end = at + <usize>record.bytes
  let length: u64 = 0
  let shift: u64 = 0
  for (; ; shift += 7) {
    if (at >= end || shift == maxVarintLength * 7) return false
    const byte = <u64>load<u8>(at++)
    length |= (byte & 0x7f) << shift
    if (byte < 0x80) break
  }
  if (length < 2 || length + 5 > <u64>(end - at) || load<u8>(at) != XOR) return false
  data = at + 1
  dataLength = <u32>length
  return crc32c(at, dataLength + 1) == bswap<u32>(load<u32>(data + <usize>dataLength))
}

@inline
function writeChunk(record: ChunkRecord): void {
  const minTime = <u64><i64>record.minTime
  const maxTime = <u64><i64>record.maxTime
  const hash = xxhash64(data, dataLength)
  const raw = 1 + sizeOf(dataLength) + dataLength + (hash ? 1 + sizeOf(hash) : 0)
  let length = 1 + sizeOf(raw) + raw
  if (minTime) length += 1 + sizeOf(minTime)
  if (maxTime) length += 1 + sizeOf(maxTime)
  store<u8>(out++, 0x12)
  put(length)
  if (minTime) {
    store<u8>(out++, 0x08)
    put(minTime)
  }
  if (maxTime) {
    store<u8>(out++, 0x10)
    put(maxTime)
  }
  store<u8>(out++, 0x1a)
  put(raw)
  store<u8>(out++, 0x12)
  put(dataLength)
  memory.copy(out, data, dataLength)
  out += dataLength
  if (hash) {
    store<u8>(out++, 0x18)
    put(hash)
  }
}

/**
 * Writes the fields of `count` series at `series` (24 bytes each), whose chunks' records stand at `records` one after the other
 * (24 bytes each), to `to`, where each chunk has 64 bytes besides its record's. Returns the number of bytes written.
 */
export function writeChunks(series: usize, count: i32, records: usize, to: usize): i32 {
  out = to
  for (let i = 0; i < count; i++) {
    const one = changetype<SeriesChunks>(series + <usize>i * offsetof<SeriesChunks>())
    const start = out
    const recordsEnd = records + <usize>one.count * offsetof<ChunkRecord>()
    let before = -Infinity
    one.dataBytes = 0
    one.samples = 0
    one.plain = 1
    for (let at = records; at < recordsEnd; at += offsetof<ChunkRecord>()) {
      const record = changetype<ChunkRecord>(at)
      const follows = record.minTime > before && record.maxTime >= record.minTime
      if (!follows || record.minTime <= -MAX_SAFE || record.maxTime >= MAX_SAFE || !readRecord(record)) {
        one.plain = 0
        out = start
        break
      }
      before = record.maxTime
      writeChunk(record)
      one.dataBytes += dataLength
      one.samples += (<u32>load<u8>(data) << 8) | <u32>load<u8>(data, 1)
    }
    one.end = <u32>(out - to)
    records = recordsEnd
  }
  return <i32>(out - to)
}
