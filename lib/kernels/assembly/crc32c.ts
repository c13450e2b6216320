// CRC-32C (RFC 3720 appendix B.4), as lib/bytes/crc32c.ts, for bytes that are in kernel memory.
// Algorithm: sixteen lanes, of which the j-th takes each sixteenth byte from the j-th on, a block of 128 bytes at a step. What a byte
// comes to at its block's end is looked up by its halves, for all lanes at once, in tables of sixteen (i8x16.swizzle). What is left, and
// what is short, goes by slicing by 16.

/** Sixteen tables of 256: table k holds the CRC of a byte followed by k zero bytes. */
const tables = memory.data(16 * 1024, 16)
const blockVectors: u32 = 8
const blockBytes: usize = 16 * blockVectors
/** Of one byte: for each of the four bytes that it comes to, sixteen by its lower half, sixteen by its upper half. */
const laneTableBytes: usize = 128
/** For the four bytes of a lane's register, and for the byte that it takes of each vector. */
const laneTables = memory.data((4 + 8) * 128, 16)
let built: bool = false

function build(): void {
  for (let i: u32 = 0; i < 256; i++) {
    let crc = i
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1
    store<u32>(tables + (i << 2), crc)
  }
  for (let i: u32 = 256; i < 4096; i++) store<u32>(tables + (i << 2), behindByte(load<u32>(tables + ((i - 256) << 2)), 0))
  for (let byte: u32 = 0; byte < 4; byte++) buildLane(byte, byte << 3, <u32>blockBytes)
  for (let vector: u32 = 0; vector < blockVectors; vector++) buildLane(4 + vector, 0, 16 * (blockVectors - 1 - vector) + 1)
  built = true
}

/** The table of a byte that stands at bit `shift` of a register which so many zero bytes follow. */
function buildLane(index: u32, shift: u32, zeros: u32): void {
  const table = laneTables + <usize>index * laneTableBytes
  for (let half: u32 = 0; half < 2; half++)
    for (let i: u32 = 0; i < 16; i++) {
      let register = (i << (half << 2)) << shift
      for (let zero: u32 = 0; zero < zeros; zero++) register = behindByte(register, 0)
      for (let byte: u32 = 0; byte < 4; byte++) store<u8>(table + ((byte << 5) | (half << 4) | i), <u8>(register >> (byte << 3)))
    }
}

/** The register behind one more byte. */
@inline
function behindByte(register: u32, byte: u32): u32 {
  return (register >> 8) ^ load<u32>(tables + (<usize>((register ^ byte) & 0xff) << 2))
}

/** Of eight bytes that `zeros` others follow. */
@inline
function slice(word: u64, zeros: usize): u32 {
  const table = tables + (zeros << 10)
  return (
    load<u32>(table + (<usize>(word & 0xff) << 2), 7168) ^
    load<u32>(table + (<usize>((word >> 8) & 0xff) << 2), 6144) ^
    load<u32>(table + (<usize>((word >> 16) & 0xff) << 2), 5120) ^
    load<u32>(table + (<usize>((word >> 24) & 0xff) << 2), 4096) ^
    load<u32>(table + (<usize>((word >> 32) & 0xff) << 2), 3072) ^
    load<u32>(table + (<usize>((word >> 40) & 0xff) << 2), 2048) ^
    load<u32>(table + (<usize>((word >> 48) & 0xff) << 2), 1024) ^
    load<u32>(table + (<usize>(word >> 56) << 2))
  )
}

/** One of the bytes that bytes come to, by their halves. */
@inline
function looked(table: usize, low: v128, high: v128): v128 {
  return v128.xor(i8x16.relaxed_swizzle(v128.load(table), low), i8x16.relaxed_swizzle(v128.load(table, 16), high))
}

/** The register behind whole blocks, at least one. */
function behindBlocks(register: u32, blocks: usize, end: usize): u32 {
  const half = i8x16.splat(15)
  const none = i8x16.splat(0)
  // The lanes' registers, byte by byte; as if the last lane alone had come to the one that is given.
  let r0 = i8x16.replace_lane(none, 15, <i8>register)
  let r1 = i8x16.replace_lane(none, 15, <i8>(register >> 8))
  let r2 = i8x16.replace_lane(none, 15, <i8>(register >> 16))
  let r3 = i8x16.replace_lane(none, 15, <i8>(register >> 24))
  for (let at = blocks; at < end; ) {
    let low = v128.and(r0, half)
    let high = v128.and(v128.shr<u16>(r0, 4), half)
    let n0 = looked(laneTables, low, high)
    let n1 = looked(laneTables + 32, low, high)
    let n2 = looked(laneTables + 64, low, high)
    let n3 = looked(laneTables + 96, low, high)
    low = v128.and(r1, half)
    high = v128.and(v128.shr<u16>(r1, 4), half)
    n0 = v128.xor(n0, looked(laneTables + 128, low, high))
    n1 = v128.xor(n1, looked(laneTables + 160, low, high))
    n2 = v128.xor(n2, looked(laneTables + 192, low, high))
    n3 = v128.xor(n3, looked(laneTables + 224, low, high))
    low = v128.and(r2, half)
    high = v128.and(v128.shr<u16>(r2, 4), half)
    n0 = v128.xor(n0, looked(laneTables + 256, low, high))
    n1 = v128.xor(n1, looked(laneTables + 288, low, high))
    n2 = v128.xor(n2, looked(laneTables + 320, low, high))
    n3 = v128.xor(n3, looked(laneTables + 352, low, high))
    low = v128.and(r3, half)
    high = v128.and(v128.shr<u16>(r3, 4), half)
    r0 = v128.xor(n0, looked(laneTables + 384, low, high))
    r1 = v128.xor(n1, looked(laneTables + 416, low, high))
    r2 = v128.xor(n2, looked(laneTables + 448, low, high))
    r3 = v128.xor(n3, looked(laneTables + 480, low, high))
    const next = at + blockBytes
    for (let table = laneTables + 512; at < next; at += 16, table += laneTableBytes) {
      const bytes = v128.load(at)
      low = v128.and(bytes, half)
      high = v128.and(v128.shr<u16>(bytes, 4), half)
      r0 = v128.xor(r0, looked(table, low, high))
      r1 = v128.xor(r1, looked(table + 32, low, high))
      r2 = v128.xor(r2, looked(table + 64, low, high))
      r3 = v128.xor(r3, looked(table + 96, low, high))
    }
  }
  // Byte p of lane j's register stands for one at j + p: the last four of those are a register, and fifteen come before them.
  const before = v128.xor(
    v128.xor(
      v128.shuffle<u8>(none, r0, 0, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30),
      v128.shuffle<u8>(none, r1, 0, 0, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29),
    ),
    v128.xor(
      v128.shuffle<u8>(none, r2, 0, 0, 0, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28),
      v128.shuffle<u8>(none, r3, 0, 0, 0, 0, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27),
    ),
  )
  const last = v128.xor(
    v128.xor(
      v128.shuffle<u8>(none, r0, 31, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
      v128.shuffle<u8>(none, r1, 30, 31, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    ),
    v128.xor(
      v128.shuffle<u8>(none, r2, 29, 30, 31, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
      v128.shuffle<u8>(none, r3, 28, 29, 30, 31, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    ),
  )
  return (
    slice(<u64>v128.extract_lane<u64>(before, 0), 8) ^
    slice(<u64>v128.extract_lane<u64>(before, 1), 0) ^
    <u32>v128.extract_lane<u32>(last, 0)
  )
}

export function crc32c(bytes: usize, length: u32): u32 {
  if (!built) build()
  let register: u32 = 0xffffffff
  let at = bytes
  const end = bytes + <usize>length
  if (<usize>length >= blockBytes) {
    at = end - (<usize>length % blockBytes)
    register = behindBlocks(register, bytes, at)
  }
  for (; at + 16 <= end; at += 16) {
    // What does not wait for the last step comes first.
    const second = slice(load<u64>(at, 8), 0)
    register = slice(load<u64>(at) ^ <u64>register, 8) ^ second
  }
  if (at + 8 <= end) {
    register = slice(load<u64>(at) ^ <u64>register, 0)
    at += 8
  }
  for (; at < end; at++) register = behindByte(register, load<u8>(at))
  return ~register
}

/**
 * Whether bytes are chunk records one behind the other (lib/tsdb/chunk-format.ts: length as a varint, encoding, data, checksum of
 * both), each with the checksum of its bytes. That their lengths add up has been seen by the caller.
 */
export function recordsAreWhole(records: usize, length: u32): bool {
  const end = records + <usize>length
  for (let at = records; at < end; ) {
    let dataBytes: u32 = 0
    let byte: u32
    let shift: u32 = 0
    do {
      byte = load<u8>(at++)
      dataBytes |= (byte & 0x7f) << shift
      shift += 7
    } while (byte >= 0x80)
    const checked = dataBytes + 1
    if (crc32c(at, checked) != bswap(load<u32>(at + <usize>checked))) return false
    at += <usize>checked + 4
  }
  return true
}
