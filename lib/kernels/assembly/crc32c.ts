// CRC-32C (RFC 3720 appendix B.4), slicing by 8: as lib/bytes/crc32c.ts, for bytes that are in kernel memory.

/** Eight tables of 256: table k holds the CRC of a byte followed by k zero bytes. */
const tables = memory.data(8 * 1024, 16)
let built: bool = false

function build(): void {
  for (let i: u32 = 0; i < 256; i++) {
    let crc = i
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1
    store<u32>(tables + (i << 2), crc)
  }
  for (let i: u32 = 256; i < 2048; i++) {
    const previous = load<u32>(tables + ((i - 256) << 2))
    store<u32>(tables + (i << 2), (previous >> 8) ^ load<u32>(tables + ((previous & 0xff) << 2)))
  }
  built = true
}

export function crc32c(bytes: usize, length: u32): u32 {
  if (!built) build()
  let crc: u32 = 0xffffffff
  let at = bytes
  const end = bytes + <usize>length
  for (; at + 8 <= end; at += 8) {
    const word = load<u64>(at) ^ <u64>crc
    crc =
      load<u32>(tables + (<usize>(word & 0xff) << 2), 7168) ^
      load<u32>(tables + (<usize>((word >> 8) & 0xff) << 2), 6144) ^
      load<u32>(tables + (<usize>((word >> 16) & 0xff) << 2), 5120) ^
      load<u32>(tables + (<usize>((word >> 24) & 0xff) << 2), 4096) ^
      load<u32>(tables + (<usize>((word >> 32) & 0xff) << 2), 3072) ^
      load<u32>(tables + (<usize>((word >> 40) & 0xff) << 2), 2048) ^
      load<u32>(tables + (<usize>((word >> 48) & 0xff) << 2), 1024) ^
      load<u32>(tables + (<usize>(word >> 56) << 2))
  }
  for (; at < end; at++) crc = (crc >> 8) ^ load<u32>(tables + (<usize>((crc ^ load<u8>(at)) & 0xff) << 2))
  return ~crc
}
