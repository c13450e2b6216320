// CRC-32C (RFC 3720 appendix B.4), slicing by 16: as lib/bytes/crc32c.ts, for bytes that are in kernel memory.
// A step waits for the one before it, so that it should take many bytes: by 8 it takes twice as long.

/** Sixteen tables of 256: table k holds the CRC of a byte followed by k zero bytes. */
const tables = memory.data(16 * 1024, 16)
let built: bool = false

function build(): void {
  for (let i: u32 = 0; i < 256; i++) {
    let crc = i
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1
    store<u32>(tables + (i << 2), crc)
  }
  for (let i: u32 = 256; i < 4096; i++) {
    const previous = load<u32>(tables + ((i - 256) << 2))
    store<u32>(tables + (i << 2), (previous >> 8) ^ load<u32>(tables + ((previous & 0xff) << 2)))
  }
  built = true
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

export function crc32c(bytes: usize, length: u32): u32 {
  if (!built) build()
  let crc: u32 = 0xffffffff
  let at = bytes
  const end = bytes + <usize>length
  for (; at + 16 <= end; at += 16) {
    // What does not wait for the last step comes first.
    const second = slice(load<u64>(at, 8), 0)
    crc = slice(load<u64>(at) ^ <u64>crc, 8) ^ second
  }
  if (at + 8 <= end) {
    crc = slice(load<u64>(at) ^ <u64>crc, 0)
    at += 8
  }
  for (; at < end; at++) crc = (crc >> 8) ^ load<u32>(tables + (<usize>((crc ^ load<u8>(at)) & 0xff) << 2))
  return ~crc
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
