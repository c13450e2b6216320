// Encoder of XOR chunks, byte for byte as Prometheus's appender (tsdb/chunkenc/xor.go) writes them.
// Bits gather at the top of a 64-bit word and leave it, byte-swapped, when it is full.
// Owns the bit writer; the caller gives room for 19 bytes a sample and 48 more.

/** Where the next word goes, the bits gathered so far (from the top) and their number (0 to 63). */
let out: usize = 0
let word: u64 = 0
let used: u64 = 0

/** Bits go to `at` from now on. */
export function startBits(at: usize): void {
  out = at
  word = 0
  used = 0
}

/** Writes out the bits that are left, zeros behind them; returns the address behind the last byte. */
export function endBits(): usize {
  store<u64>(out, bswap<u64>(word))
  return out + <usize>((used + 7) >> 3)
}

/** Writes the `width` (1 to 64) low bits of `bits`; the bits above them must be zero. */
@inline
export function put(bits: u64, width: u64): void {
  const free = 64 - used
  if (width < free) {
    word |= bits << (free - width)
    used += width
  } else {
    const rest = width - free
    store<u64>(out, bswap<u64>(word | (bits >> rest)))
    out += 8
    word = rest ? bits << (64 - rest) : 0
    used = rest
  }
}

export function putUvarint(value: u64): void {
  for (; value >= 0x80; value >>= 7) put((value & 0x7f) | 0x80, 8)
  put(value, 8)
}

function putDeltaOfDelta(dod: i64): void {
  if (dod >= -8191 && dod <= 8192) put((0b10 << 14) | (<u64>dod & 0x3fff), 16)
  else if (dod >= -65535 && dod <= 65536) put((0b110 << 17) | (<u64>dod & 0x1ffff), 20)
  else if (dod >= -524287 && dod <= 524288) put((0b1110 << 20) | (<u64>dod & 0xfffff), 24)
  else {
    put(0b1111, 4)
    put(<u64>dod, 64)
  }
}

/** Encodes `count` (at most 65,535) samples at `times` and `values` to `chunk`; returns the number of bytes. */
export function encodeXor(times: usize, values: usize, count: i32, chunk: usize): i32 {
  store<u8>(chunk, count >> 8)
  store<u8>(chunk, count, 1)
  if (count == 0) return 2
  startBits(chunk + 2)
  let time = <i64>load<f64>(times)
  let value = load<u64>(values)
  putUvarint((<u64>time << 1) ^ <u64>(time >> 63))
  put(value, 64)
  let delta: i64 = 0
  // No window of significant bits yet: no number of leading zeros reaches 255.
  let leading: u64 = 255
  let trailing: u64 = 0
  const toValue = values - times
  const end = times + (<usize>count << 3)
  for (let at = times + 8; at < end; at += 8) {
    const nextTime = <i64>load<f64>(at)
    const nextDelta = nextTime - time
    if (at == times + 8) putUvarint(<u64>nextDelta)
    else if (nextDelta == delta) put(0, 1)
    else putDeltaOfDelta(nextDelta - delta)
    time = nextTime
    delta = nextDelta
    const nextValue = load<u64>(at + toValue)
    const xor = nextValue ^ value
    value = nextValue
    if (xor == 0) {
      put(0, 1)
      continue
    }
    const zeros = clz<u64>(xor)
    const newLeading = zeros > 31 ? 31 : zeros
    const newTrailing = ctz<u64>(xor)
    if (newLeading >= leading && newTrailing >= trailing) {
      const significant = 64 - leading - trailing
      if (significant <= 62) put((<u64>0b10 << significant) | (xor >> trailing), significant + 2)
      else {
        put(0b10, 2)
        put(xor >> trailing, significant)
      }
    } else {
      leading = newLeading
      trailing = newTrailing
      const significant = 64 - leading - trailing
      put((0b11 << 11) | (leading << 6) | (significant & 63), 13)
      put(xor >> trailing, significant)
    }
  }
  return <i32>(endBits() - chunk)
}
