// CRC-32C (Castagnoli), the checksum of every TSDB file; Node has only the other CRC-32.
// Specification: RFC 3720 appendix B.4 (polynomial 0x1EDC6F41, reflected). Slicing-by-8: eight table look-ups for eight bytes.
// Owns the tables, built once a process.

/** Below this length a typed view of words costs more than it saves. */
const wordLoopMinBytes = 64

// The word loop reads words in the machine's order, and its tables are laid out for little endian.
const littleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1

/** Eight tables of 256: table k holds the CRC of a byte followed by k zero bytes. */
const tables = buildTables()

function buildTables(): Int32Array {
  const t = new Int32Array(8 * 256)
  for (let i = 0; i < 256; i++) {
    let crc = i
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
    t[i] = crc
  }
  for (let i = 256; i < t.length; i++) {
    const previous = t[i - 256]!
    t[i] = (previous >>> 8) ^ t[previous & 0xff]!
  }
  return t
}

/**
 * The CRC-32C of `bytes` as an unsigned 32-bit number. `seed` is the CRC of what came before:
 * `crc32c(b, crc32c(a))` is the CRC of a followed by b.
 */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return new Crc32cRanges(bytes).of(0, bytes.length, seed)
}

/** CRC-32C of many ranges of the same bytes: the view of words is made once, and only where a range is long enough. */
export class Crc32cRanges {
  readonly #bytes: Uint8Array
  /** Bytes before the first word. */
  readonly #head: number
  #words: Int32Array | undefined

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#head = -bytes.byteOffset & 3
  }

  /** The CRC-32C of [start, end). */
  of(start: number, end: number, seed = 0): number {
    const bytes = this.#bytes
    if (end - start < wordLoopMinBytes || !littleEndian) return ~addBytes(~seed, bytes, start, end) >>> 0
    this.#words ??= new Int32Array(bytes.buffer, bytes.byteOffset + this.#head, (bytes.length - this.#head) >> 2)
    const firstWord = Math.max(0, (start - this.#head + 3) >> 2)
    const lastWord = firstWord + ((((end - this.#head) >> 2) - firstWord) & ~1)
    const head = addBytes(~seed, bytes, start, this.#head + 4 * firstWord)
    const crc = addWords(head, this.#words, firstWord, lastWord)
    return ~addBytes(crc, bytes, this.#head + 4 * lastWord, end) >>> 0
  }
}

function addBytes(seed: number, bytes: Uint8Array, start: number, end: number): number {
  let crc = seed
  for (let i = start; i < end; i++) crc = (crc >>> 8) ^ tables[(crc ^ bytes[i]!) & 0xff]!
  return crc
}

/** Words [from, to), an even number of them. */
function addWords(seed: number, words: Int32Array, from: number, to: number): number {
  const t = tables
  let crc = seed
  for (let i = from; i < to; i += 2) {
    const a = crc ^ words[i]!
    const b = words[i + 1]!
    crc =
      t[0x700 + (a & 0xff)]! ^
      t[0x600 + ((a >>> 8) & 0xff)]! ^
      t[0x500 + ((a >>> 16) & 0xff)]! ^
      t[0x400 + (a >>> 24)]! ^
      t[0x300 + (b & 0xff)]! ^
      t[0x200 + ((b >>> 8) & 0xff)]! ^
      t[0x100 + ((b >>> 16) & 0xff)]! ^
      t[b >>> 24]!
  }
  return crc
}
